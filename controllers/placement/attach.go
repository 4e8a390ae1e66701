package placement

import (
	"slices"

	"github.com/eiri/seppen/api/layout"
)

// attach makes joining members owners of their slots once they have copied them and can be
// reached. From then on writes need them, so it is done late: what they lack then is little (F20).
func attach(s *situation) (*draft, string) {
	ready := s.ready(false)
	if len(ready) == 0 {
		return nil, ""
	}
	d := edit(s.current)
	for _, m := range ready {
		d.attach(m.Incarnation)
	}
	who := spell(ready)
	return d, are(who, "has", "have") + " copied " + verb(who, "its", "their") + " slots and " + verb(who, "acknowledges", "acknowledge") + " writes"
}

// ready are the joining members that answer, have copied all their slots and are reached by the
// primaries of these, but for slots of which nothing is left; with lost, also for those that are
// about to be given up.
func (s *situation) ready(lost bool) []*layout.Member {
	var out []*layout.Member
	for i := range s.current.Members {
		if m := &s.current.Members[i]; m.Phase == layout.Joining && s.stands(m, lost) {
			out = append(out, m)
		}
	}
	return out
}

func (s *situation) stands(m *layout.Member, lost bool) bool {
	return s.hasCopied(m, lost) && !slices.ContainsFunc(s.copyable(m, lost), func(g *layout.Segment) bool { return !s.isReached(m, g) })
}

// hasCopied tells whether a joining member answers and has copied what there is to copy.
func (s *situation) hasCopied(m *layout.Member, lost bool) bool {
	if o := s.heard[m.Incarnation]; o == nil || o.Epoch < m.JoinEpoch {
		return false
	}
	return !slices.ContainsFunc(s.copyable(m, lost), func(g *layout.Segment) bool { return !s.copied(m.Incarnation, g) })
}

// copyable are the segments of a member's range of which there is something to copy.
func (s *situation) copyable(m *layout.Member, lost bool) []*layout.Segment {
	return slices.DeleteFunc(s.within(m), func(g *layout.Segment) bool { return s.begun(g) || lost && s.lost(g) })
}
