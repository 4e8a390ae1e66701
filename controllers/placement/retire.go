package placement

import (
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// retire takes the members away whose nodes go. One that joins has nothing and goes at
// once; one that is attached goes if it is spared. One that serves becomes leaving when
// others stand in its place, and goes when those have taken over. A leaving one whose node
// stays after all serves again.
func retire(s *situation) (*draft, string) {
	d := edit(s.current)
	leavers := s.leavers()
	var out, leave []string
	for i := range s.current.Members {
		m := &s.current.Members[i]
		switch {
		case !s.goes(m):
		case m.Phase == layout.Joining, m.Phase == layout.Attached && s.spared(m), m.Phase == layout.Leaving && s.relieved(m):
			d.remove(m.Incarnation)
			out = append(out, m.Name.String())
		case slices.Contains(leavers, m):
			leave = append(leave, m.Name.String())
		}
	}
	d.leave(s, leavers)
	restored := d.restore(s)
	var reasons []string
	if len(leave) > 0 {
		reasons = append(reasons, are(leave, "hands its slots over", "hand their slots over"))
	}
	if len(out) > 0 {
		reasons = append(reasons, are(out, "is", "are")+" not needed any more")
	}
	if len(restored) > 0 {
		reasons = append(reasons, are(restored, "serves", "serve")+" again")
	}
	if len(reasons) == 0 {
		return nil, ""
	}
	return d, strings.Join(reasons, "; ")
}

// goes tells whether a member's node is not to stay.
func (s *situation) goes(m *layout.Member) bool { return !slices.Contains(s.names, m.Name) }

// leavers are the serving members that can hand over now: without all of them each slot
// has as many copies as it is to have (I4).
func (s *situation) leavers() []*layout.Member {
	var out []*layout.Member
	for i := range s.current.Members {
		m := &s.current.Members[i]
		if m.Phase == layout.Serving && s.goes(m) && !s.dead[m.Incarnation] && s.replaced(m) {
			out = append(out, m)
		}
	}
	return out
}

// replaced tells whether each slot of a member has all its copies at members that stay.
// One that is leaving, or about to, is none of them.
func (s *situation) replaced(m *layout.Member) bool {
	for i := range s.current.Segments {
		g := &s.current.Segments[i]
		owners := s.owners(g)
		if slices.Contains(owners, m) && s.copies(owners) < s.wanted(g.Lo) {
			return false
		}
	}
	return true
}

// copies counts the owners that serve, stay and can be relied on.
func (s *situation) copies(owners []*layout.Member) int {
	n := 0
	for _, o := range owners {
		if o.Phase == layout.Serving && !s.goes(o) && s.reliable(o.Incarnation) {
			n++
		}
	}
	return n
}

// wanted is how many copies a slot is to have.
func (s *situation) wanted(slot uint8) int {
	n := 0
	for _, name := range s.names {
		if name.Range.Contains(slot) {
			n++
		}
	}
	return max(n, 1)
}

// relieved tells whether a leaving member is of no more use: others have taken its slots
// over, in the view in which it was leaving (F13). It must know that it is leaving, by
// which it knows later that it has left, and goes on passing requests on.
func (s *situation) relieved(m *layout.Member) bool {
	if o := s.heard[m.Incarnation]; o == nil || o.Epoch != s.current.Epoch {
		return false
	}
	for i := range s.current.Segments {
		g := &s.current.Segments[i]
		if slices.Contains(s.owners(g), m) && !s.active(g) {
			return false
		}
	}
	return s.replaced(m)
}

// leave makes members leaving. Their slots change hands in this epoch anyway, so the
// owners that stay come into their preferred order; not while keys of lost values are
// looked for, which a new primary would have to begin anew.
func (d *draft) leave(s *situation, leavers []*layout.Member) {
	for _, m := range leavers {
		d.member(m.Incarnation).Phase = layout.Leaving
	}
	preferred := layout.SegmentsOf(s.current.Members, s.current.Epoch)
	for i := range d.segments {
		g := &d.segments[i]
		touched := slices.ContainsFunc(leavers, func(m *layout.Member) bool { return slices.Contains(g.order, m.Incarnation) })
		if !touched {
			continue
		}
		if !s.lossy() {
			order := ids(s.current, at(preferred, g.Lo))
			slices.SortStableFunc(g.order, func(a, b layout.ID) int { return slices.Index(order, a) - slices.Index(order, b) })
		}
		slices.SortStableFunc(g.order, func(a, b layout.ID) int { return number(d.leaves(a)) - number(d.leaves(b)) })
	}
}

func (d *draft) leaves(id layout.ID) bool { return d.member(id).Phase == layout.Leaving }

// restore makes leaving members serving again whose nodes stay after all, or without whom
// some slot would have nobody who serves. It names them.
func (d *draft) restore(s *situation) []string {
	var who []string
	for i := range d.members {
		m := &d.members[i]
		if m.Phase == layout.Leaving && !s.dead[m.Incarnation] && (!s.goes(m) || d.needs(s, m.Incarnation)) {
			m.Phase = layout.Serving
			who = append(who, m.Name.String())
		}
	}
	return who
}

// needs tells whether a member owns slots that nobody serves who may be alive.
func (d *draft) needs(s *situation, id layout.ID) bool {
	serves := func(o layout.ID) bool { return d.member(o).Phase == layout.Serving && !s.dead[o] }
	return slices.ContainsFunc(d.segments, func(g segment) bool {
		return slices.Contains(g.order, id) && !slices.ContainsFunc(g.order, serves)
	})
}
