package placement

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// situation is a layout and what is seen of its members.
type situation struct {
	current *layout.Layout
	names   []layout.Name // of the nodes that stay
	byName  map[layout.Name][]Observation
	heard   map[layout.ID]*Observation // members that answer
	silent  map[layout.ID]time.Duration
	ending  map[layout.ID]bool // they will be killed in a moment
	dead    map[layout.ID]bool // proven so, now or before
	listed  map[layout.ID]bool // of these, those that the layout has
	suspect map[layout.ID]bool // silent to the author and to every peer that answers, and not proven dead
}

func judge(current *layout.Layout, names []layout.Name, w World) *situation {
	s := &situation{
		current: current, names: names, silent: w.Silent,
		heard: make(map[layout.ID]*Observation), suspect: make(map[layout.ID]bool),
		dead: make(map[layout.ID]bool), listed: make(map[layout.ID]bool), ending: make(map[layout.ID]bool),
	}
	for id, left := range w.Ending {
		s.ending[id] = left < HurryBefore
	}
	for _, id := range current.Dead {
		s.dead[id], s.listed[id] = true, true
	}
	for _, id := range w.Dead {
		s.dead[id] = true
	}
	// What a dead process said before its end is of no more use.
	alive := slices.DeleteFunc(slices.Clone(w.Seen), func(o Observation) bool { return s.dead[o.Incarnation] })
	s.byName = byName(alive)
	for i := range current.Members {
		m := &current.Members[i]
		group := s.byName[m.Name]
		j := slices.IndexFunc(group, func(o Observation) bool { return o.Incarnation == m.Incarnation })
		if j >= 0 && s.silent[m.Incarnation] < SuspectAfter {
			s.heard[m.Incarnation] = &group[j]
		}
	}
	for i := range current.Members {
		id := current.Members[i].Incarnation
		s.suspect[id] = !s.dead[id] && s.silent[id] >= SuspectAfter && !s.vouched(id)
	}
	return s
}

// byName groups what is seen; observations that say the same count once.
func byName(seen []Observation) map[layout.Name][]Observation {
	seen = slices.Clone(seen)
	slices.SortStableFunc(seen, func(a, b Observation) int {
		return cmp.Or(bytes.Compare(a.Incarnation[:], b.Incarnation[:]), cmp.Compare(a.Address, b.Address), cmp.Compare(b.Epoch, a.Epoch))
	})
	groups := make(map[layout.Name][]Observation, len(seen))
	for _, o := range seen {
		same := func(p Observation) bool { return p.Incarnation == o.Incarnation && p.Address == o.Address }
		if o.Incarnation != (layout.ID{}) && o.Address != "" && !slices.ContainsFunc(groups[o.Name], same) {
			groups[o.Name] = append(groups[o.Name], o)
		}
	}
	return groups
}

// vouched tells whether a member that answers hears of this one.
func (s *situation) vouched(id layout.ID) bool {
	for _, o := range s.heard {
		if silence, ok := reports(o, id); ok && silence < SuspectAfter && o.Incarnation != id {
			return true
		}
	}
	return false
}

// reliable tells whether a member is alive as far as anybody can tell. Who has not
// answered for a while may be silent for the same reason as the one whose place it is
// to take, and only be noticed a moment later.
func (s *situation) reliable(id layout.ID) bool {
	return !s.dead[id] && !s.ending[id] && (s.heard[id] != nil && s.silent[id] < SuspectAfter/2 || s.vouched(id))
}

// reports is for how long a node has not heard of another one, if it should.
func reports(o *Observation, id layout.ID) (time.Duration, bool) {
	for i := range o.Peers {
		if o.Peers[i].Incarnation == id {
			return time.Duration(o.Peers[i].Silent) * time.Millisecond, true
		}
	}
	return 0, false
}

// says is what a member that answers says of a segment in the view that it has now; nil
// if nothing. As an incarnation is admitted once, attached once and never let in again,
// what it says is of this life and this membership (F12).
func (s *situation) says(id layout.ID, segment *layout.Segment) *peer.SegmentStatus {
	if p := s.mentions(id, segment); p != nil && p.View == segment.View {
		return p
	}
	return nil
}

// mentions is the same in whichever view.
func (s *situation) mentions(id layout.ID, segment *layout.Segment) *peer.SegmentStatus {
	o := s.heard[id]
	if o == nil {
		return nil
	}
	for i := range o.Segments {
		if o.Segments[i].Lo == segment.Lo {
			return &o.Segments[i]
		}
	}
	return nil
}

func (s *situation) complete(id layout.ID, segment *layout.Segment) bool {
	p := s.says(id, segment)
	return p != nil && p.Complete
}

// copied may have happened in an earlier view: it promises nothing, and what is missing
// comes once the member is attached.
func (s *situation) copied(id layout.ID, segment *layout.Segment) bool {
	p := s.mentions(id, segment)
	return p != nil && (p.Copied || p.Complete)
}

// active tells whether a segment's primary says that it has taken over.
func (s *situation) active(segment *layout.Segment) bool {
	m := s.primary(segment)
	if m == nil {
		return false
	}
	p := s.says(m.Incarnation, segment)
	return p != nil && p.Active
}

// primary is a segment's primary, nil if nobody serves it.
func (s *situation) primary(segment *layout.Segment) *layout.Member {
	for _, m := range s.owners(segment) {
		if m.Phase == layout.Serving {
			return m
		}
	}
	return nil
}

func (s *situation) owners(segment *layout.Segment) []*layout.Member {
	out := make([]*layout.Member, len(segment.Order))
	for i, j := range segment.Order {
		out[i] = &s.current.Members[j]
	}
	return out
}

// holders are the owners that have everything of a segment.
func (s *situation) holders(segment *layout.Segment) []*layout.Member {
	return slices.DeleteFunc(s.owners(segment), func(m *layout.Member) bool { return !holds(m) })
}

func holds(m *layout.Member) bool { return m.Phase == layout.Serving || m.Phase == layout.Leaving }

// attached are the owners that do not have everything of a segment yet.
func (s *situation) attached(segment *layout.Segment) []*layout.Member {
	return slices.DeleteFunc(s.owners(segment), func(m *layout.Member) bool { return m.Phase != layout.Attached })
}

// begun tells whether a segment was given up and nobody has served it since. Then there
// is nothing in it, and whoever is attached has all of that.
func (s *situation) begun(segment *layout.Segment) bool {
	return segment.Loss != 0 && len(s.holders(segment)) == 0
}

// within are the segments in a member's range.
func (s *situation) within(m *layout.Member) []*layout.Segment {
	var out []*layout.Segment
	for i := range s.current.Segments {
		if g := &s.current.Segments[i]; m.Name.Range.Contains(g.Lo) {
			out = append(out, g)
		}
	}
	return out
}

func isMember(l *layout.Layout, incarnation layout.ID) bool {
	return slices.ContainsFunc(l.Members, func(m layout.Member) bool { return m.Incarnation == incarnation })
}
