// Package placement decides who is a member of a cluster. It is pure: no network, no
// clock. Next takes what is written (the layout), what should be (the names) and what
// is seen (the observations), and returns the one next layout, or nothing. The first
// of these steps that has something to do is made, for all members that it concerns:
//
//	no layout, every name alive and empty     →  epoch 1, all serving        (bootstrap)
//	attached, and complete in all its slots   →  serving                     (promote)
//	dead; or silent, cut off or about to be
//	killed, and covered                       →  no owner, no member         (remove)
//	all owners of slots dead, one ready       →  the slots begin empty there (give up)
//	its node goes, and others have its slots  →  leaving, then no member     (retire)
//	a process that is no member               →  joining                     (admit)
//	joining, has copied all its slots, and is
//	reached by their primaries                →  attached                    (attach)
//	nobody needs a mark of the past any more  →  without the mark            (forget)
//	all is well                               →  primaries as preferred      (even out)
//
// What holds after every step: the layout is valid (I7) and its epoch is one higher
// (I6). The last serving owner of a slot goes only if it is proven dead (I1). Only a
// member that said it is complete becomes serving, or one whose slots were given up
// (I3). Only the dead and the suspected take a complete copy with them; who leaves has
// handed over to as many as there are to be (I4). A
// segment's view is the new epoch if and only if its acknowledging owners or its
// primary changed. Segments are cut where a newcomer's range begins or ends and are
// never joined again, so what a node says of a segment in a view is true of each part
// that has that view.
//
// Whoever calls Next makes the result durable before a node hears of it (I6).
package placement
