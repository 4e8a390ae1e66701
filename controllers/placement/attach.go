package placement

import (
	"github.com/eiri/seppen/api/layout"
)

// attach makes joining members owners of their slots once they have copied them. From
// then on writes need them, so it is done late: what they lack then is little (F20).
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

// ready are the joining members that answer and have copied all their slots, but for
// those of which nothing is left; with lost, also those that are about to be given up.
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
	if o := s.heard[m.Incarnation]; o == nil || o.Epoch < m.JoinEpoch {
		return false
	}
	for _, g := range s.within(m) {
		if !s.begun(g) && !s.copied(m.Incarnation, g) && (!lost || !s.lost(g)) {
			return false
		}
	}
	return true
}
