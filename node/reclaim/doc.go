// Package reclaim frees values that no key refers to. Each owner of a value frees its
// own copy, and only when the primaries of all entries have said that none refers to
// it (I5).
//
// A value is checked some seconds after it was placed or touched, and when a primary
// hints that its last entry for it went. The first question goes to the primary of the
// slot that the value came for, its witness; it mostly says yes and that is all. If it
// says no, all primaries are asked. What keeps this safe is time, not locks: a value is
// asked about only when it was not touched for Grace, which is longer than a write may
// take from its ticket to its order (replica.TicketAge), so by then every write that
// counted on the value has been ordered and is seen by the one who answers. A touch
// after the question changes the value's generation, and Free refuses.
//
// A hint makes this prompt, but may be lost. A slow sweep over all values finds what is
// left.
package reclaim
