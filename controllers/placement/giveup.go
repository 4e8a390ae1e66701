package placement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// giveUp takes the dead from slots of which nobody else has everything, once somebody
// stands ready for them: attached there already, or joining with all else that it needs.
// Those slots begin with nothing there, and their loss is marked. A joining member is
// attached by it to all its slots.
func giveUp(s *situation) (*draft, string) {
	joining := s.ready(true)
	d := edit(s.current)
	var reasons []string
	for i := range s.current.Segments {
		g := &s.current.Segments[i]
		if !s.lost(g) {
			continue
		}
		heirs := append(s.attachedAlive(g), within(g, joining)...)
		if len(heirs) == 0 {
			continue
		}
		d.segments[i].order = nil
		for _, m := range heirs {
			d.segments[i].order = append(d.segments[i].order, m.Incarnation)
		}
		d.segments[i].Loss = d.epoch
		reasons = append(reasons, fmt.Sprintf("%s are given up, all their owners are dead: %s", s.span(i), are(spell(heirs), "begins them empty", "begin them empty")))
	}
	if len(reasons) == 0 {
		return nil, ""
	}
	for _, m := range joining {
		if d.owns(m.Incarnation) {
			d.attach(m.Incarnation)
		}
	}
	for _, m := range s.current.Members {
		if m.Phase.Acknowledges() && s.dead[m.Incarnation] && !d.owns(m.Incarnation) {
			d.remove(m.Incarnation)
		}
	}
	d.restore(s)
	return d, strings.Join(reasons, "; ")
}

// lost tells whether all who have everything of a segment are dead, and listed so, and it
// is known that nobody else has everything. Whoever is attached may have said that it is
// complete just before or after the last of them died; what it says once it has the
// layout in which they are dead settles it.
func (s *situation) lost(g *layout.Segment) bool {
	holders := s.holders(g)
	if len(holders) == 0 || slices.ContainsFunc(holders, func(m *layout.Member) bool { return !s.listed[m.Incarnation] }) {
		return false
	}
	for _, m := range s.attached(g) {
		if s.dead[m.Incarnation] {
			continue
		}
		said := s.says(m.Incarnation, g)
		if said == nil || said.Complete || s.heard[m.Incarnation].Epoch < s.current.Epoch {
			return false
		}
	}
	return true
}

func (s *situation) attachedAlive(g *layout.Segment) []*layout.Member {
	return slices.DeleteFunc(s.attached(g), func(m *layout.Member) bool { return s.dead[m.Incarnation] })
}

func within(g *layout.Segment, members []*layout.Member) []*layout.Member {
	var in []*layout.Member
	for _, m := range members {
		if m.Name.Range.Contains(g.Lo) {
			in = append(in, m)
		}
	}
	return in
}

// span spells the slots of segment i.
func (s *situation) span(i int) string {
	segments := s.current.Segments
	r := layout.Range{Lo: segments[i].Lo, Hi: layout.Slots - 1}
	if i+1 < len(segments) {
		r.Hi = segments[i+1].Lo - 1
	}
	return r.String()
}

func spell(members []*layout.Member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.Name.String()
	}
	return out
}
