package placement

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/eiri/seppen/api/layout"
)

// cut is one end of a broken link between two owners of the same slots, both of whom
// answer the author: writes of those slots wait until one of them is no owner (F17).
type cut struct {
	goes, stays *layout.Member
	complaints  int  // members that do not hear of the one that would go
	primary     bool // it is the primary of slots that both own
}

// cutOff returns which one of two that do not reach each other goes, and the other; nil
// if there are none or neither can be spared. It is one of them in one step, never both:
// the one with whom more members have the trouble, else one that has not everything
// anyway, else one that is not the primary. One step later the others may be fine.
func (s *situation) cutOff() (goes, stays *layout.Member) {
	cuts := slices.DeleteFunc(s.cuts(), func(c cut) bool { return !s.spared(c.goes) })
	if len(cuts) == 0 {
		return nil, nil
	}
	worst := slices.MinFunc(cuts, func(a, b cut) int {
		return cmp.Or(
			cmp.Compare(b.complaints, a.complaints),
			cmp.Compare(a.goes.Phase, b.goes.Phase),
			cmp.Compare(number(a.primary), number(b.primary)),
			bytes.Compare(a.goes.Incarnation[:], b.goes.Incarnation[:]),
		)
	})
	return worst.goes, worst.stays
}

// cuts are all broken links, each from both ends.
func (s *situation) cuts() []cut {
	var out []cut
	for i := range s.current.Members {
		for j := range s.current.Members {
			a, b := &s.current.Members[i], &s.current.Members[j]
			if i == j || !s.misses(a, b) && !s.misses(b, a) {
				continue
			}
			if shared, primary := s.share(a, b); shared {
				out = append(out, cut{goes: a, stays: b, complaints: s.complaints(a), primary: primary})
			}
		}
	}
	return out
}

// misses tells whether a has not heard of b for too long, though neither was away.
func (s *situation) misses(a, b *layout.Member) bool {
	if !s.steady(a) || !s.steady(b) {
		return false
	}
	silence, ok := reports(s.heard[a.Incarnation], b.Incarnation)
	return ok && silence >= CutAfter
}

func (s *situation) steady(m *layout.Member) bool {
	o := s.heard[m.Incarnation]
	return o != nil && o.Answering >= CutAfter
}

func (s *situation) complaints(about *layout.Member) int {
	n := 0
	for i := range s.current.Members {
		if s.misses(&s.current.Members[i], about) {
			n++
		}
	}
	return n
}

// share tells whether two members are owners of the same slots, and whether the first is
// the primary of some of them.
func (s *situation) share(a, b *layout.Member) (shared, primary bool) {
	for i := range s.current.Segments {
		owners := s.owners(&s.current.Segments[i])
		if !slices.Contains(owners, a) || !slices.Contains(owners, b) {
			continue
		}
		shared = true
		serving := slices.IndexFunc(owners, func(m *layout.Member) bool { return m.Phase == layout.Serving })
		primary = primary || serving >= 0 && owners[serving] == a
	}
	return shared, primary
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
