package placement

import (
	"slices"

	"github.com/eiri/seppen/api/layout"
)

// even puts owners into the preferred order when nothing else is to be done, so that
// each node is the primary of its share again.
func even(s *situation) (*draft, string) {
	// A new primary of a slot has to look anew for what refers to lost values.
	if !s.well() || !s.settled() || s.lossy() {
		return nil, ""
	}
	preferred := layout.SegmentsOf(s.current.Members, s.current.Epoch)
	d := edit(s.current)
	changed := false
	for i := range d.segments {
		order := ids(s.current, at(preferred, d.segments[i].Lo))
		changed = changed || !slices.Equal(order, d.segments[i].order)
		d.segments[i].order = order
	}
	if !changed {
		return nil, ""
	}
	return d, "owners in their preferred order"
}

// well tells whether every name has one member, which serves and answers, and there are
// no others.
func (s *situation) well() bool {
	if len(s.current.Members) != len(s.names) {
		return false
	}
	for i := range s.current.Members {
		if m := &s.current.Members[i]; m.Phase != layout.Serving || s.heard[m.Incarnation] == nil {
			return false
		}
	}
	return layout.SameNames(s.current.Names(), s.names)
}

// lossy tells whether there may be keys that refer to lost values.
func (s *situation) lossy() bool {
	return slices.ContainsFunc(s.current.Segments, func(g layout.Segment) bool { return g.Loss != 0 })
}

// at is the segment that has a slot.
func at(segments []layout.Segment, slot uint8) *layout.Segment {
	i := len(segments) - 1
	for segments[i].Lo > slot {
		i--
	}
	return &segments[i]
}

func ids(l *layout.Layout, g *layout.Segment) []layout.ID {
	out := make([]layout.ID, len(g.Order))
	for i, j := range g.Order {
		out[i] = l.Members[j].Incarnation
	}
	return out
}
