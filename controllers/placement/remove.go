package placement

import (
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// remove takes away the members that are dead, and those that are suspected or about to be
// killed if others have all that they have. All of a moment go in one epoch: with two losses in two
// epochs the first new view would wait for somebody who is gone as well (F18).
func remove(s *situation) (*draft, string) {
	d := edit(s.current)
	var dead, silent, ending, reasons []string
	for i := range s.current.Members {
		m := &s.current.Members[i]
		switch {
		case s.dead[m.Incarnation]:
			if bury(s, d, m) {
				dead = append(dead, m.Name.String())
			}
		case m.Phase == layout.Joining && s.forgotten(m), m.Phase.Acknowledges() && s.suspect[m.Incarnation] && s.spared(m):
			d.remove(m.Incarnation)
			silent = append(silent, m.Name.String())
		case m.Phase.Acknowledges() && s.ending[m.Incarnation] && s.spared(m):
			d.remove(m.Incarnation)
			ending = append(ending, m.Name.String())
		}
	}
	if len(dead) > 0 {
		reasons = append(reasons, are(dead, "is dead", "are dead"))
	}
	if len(silent) > 0 {
		reasons = append(reasons, are(silent, "does not answer", "do not answer"))
	}
	if len(ending) > 0 {
		reasons = append(reasons, are(ending, "is", "are")+" about to be killed")
	}
	if worse, other := s.cutOff(); worse != nil {
		d.remove(worse.Incarnation)
		reasons = append(reasons, worse.Name.String()+" and "+other.Name.String()+" do not reach each other, so "+worse.Name.String()+" goes")
	}
	if len(reasons) == 0 {
		return nil, ""
	}
	d.restore(s)
	return d, strings.Join(reasons, "; ")
}

// bury takes a dead member from all slots that another one has, and tells whether that
// changed anything. Where nobody else is left its place is kept, so that it is known
// whose slots those were, until they are given up. It is listed as dead, so that nobody
// waits for a lease that it held; only who served can have held one.
func bury(s *situation, d *draft, m *layout.Member) bool {
	changed := false
	for i := range d.segments {
		g := &d.segments[i]
		before := len(g.order)
		if s.dispensable(d, g, m) {
			g.drop(m.Incarnation)
		}
		changed = changed || len(g.order) < before
	}
	if holds(m) && !s.listed[m.Incarnation] {
		d.dead = append(d.dead, m.Incarnation)
		changed = true
	}
	if !d.owns(m.Incarnation) {
		d.remove(m.Incarnation)
		changed = true
	}
	return changed
}

// dispensable tells whether a segment can do without a dead member: for one that served
// there is another one, itself not dead, and one that was attached is not its only owner.
func (s *situation) dispensable(d *draft, g *segment, m *layout.Member) bool {
	for _, id := range g.order {
		if id == m.Incarnation || holds(m) && (s.dead[id] || !holds(d.member(id))) {
			continue
		}
		return true
	}
	return false
}

// spared tells whether everything that a member has is elsewhere too, at somebody who can
// be relied on: silence is no proof of death (I1, F6). An attached member
// may go wherever the slots have a holder that may live; with none, it may itself be the
// only one who has everything of them.
func (s *situation) spared(m *layout.Member) bool {
	for i := range s.current.Segments {
		g := &s.current.Segments[i]
		owners := s.owners(g)
		if slices.Contains(owners, m) && !slices.ContainsFunc(owners, func(o *layout.Member) bool { return o != m && s.covers(o, m, g) }) {
			return false
		}
	}
	return true
}

// covers tells whether an owner makes another owner of the same segment dispensable.
func (s *situation) covers(o, m *layout.Member, g *layout.Segment) bool {
	switch {
	case s.dead[o.Incarnation]:
		return false
	case holds(m):
		return holds(o) && s.reliable(o.Incarnation)
	case s.begun(g):
		return s.reliable(o.Incarnation)
	}
	return holds(o)
}

// forgotten tells whether a joining member is of no more use: another process answers in
// its name, or it has been silent for long.
func (s *situation) forgotten(m *layout.Member) bool {
	if s.heard[m.Incarnation] != nil {
		return false
	}
	newcomer := func(o Observation) bool { return !isMember(s.current, o.Incarnation) }
	return slices.ContainsFunc(s.byName[m.Name], newcomer) ||
		s.silent[m.Incarnation] >= ForgetAfter && !s.vouched(m.Incarnation)
}
