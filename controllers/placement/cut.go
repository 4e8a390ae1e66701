package placement

import (
	"bytes"
	"cmp"
	"slices"
	"time"

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
// one that leaves anyway, else the one with whom more members have the trouble, else one that
// has not everything, else one that is not the primary. One step later the others may be fine.
func (s *situation) cutOff() (goes, stays *layout.Member) {
	cuts := slices.DeleteFunc(s.cuts(), func(c cut) bool { return !s.spared(c.goes) })
	if len(cuts) == 0 {
		return nil, nil
	}
	worst := slices.MinFunc(cuts, func(a, b cut) int {
		return cmp.Or(
			cmp.Compare(number(a.goes.Phase != layout.Leaving), number(b.goes.Phase != layout.Leaving)),
			cmp.Compare(b.complaints, a.complaints),
			cmp.Compare(a.goes.Phase, b.goes.Phase),
			cmp.Compare(number(a.primary), number(b.primary)),
			bytes.Compare(a.goes.Incarnation[:], b.goes.Incarnation[:]),
			bytes.Compare(a.stays.Incarnation[:], b.stays.Incarnation[:]),
		)
	})
	return worst.goes, worst.stays
}

// cuts are all broken links, each from both ends. One complaint is enough.
func (s *situation) cuts() []cut {
	var out []cut
	missing := s.missing()
	for a := range missing {
		for b := range missing[a] {
			for _, ends := range [][2]*layout.Member{{a, b}, {b, a}} {
				if shared, primary := s.share(ends[0], ends[1]); shared {
					out = append(out, cut{goes: ends[0], stays: ends[1], complaints: complaints(missing, ends[0]), primary: primary})
				}
			}
		}
	}
	return out
}

// missing are the members of whom a member has not heard for too long, though neither of
// the two was away.
func (s *situation) missing() map[*layout.Member]map[*layout.Member]bool {
	out := make(map[*layout.Member]map[*layout.Member]bool)
	for i := range s.current.Members {
		a := &s.current.Members[i]
		if !s.steady(a.Incarnation) {
			continue
		}
		for _, p := range s.heard[a.Incarnation].Peers {
			if time.Duration(p.Silent)*time.Millisecond < CutAfter || !s.steady(p.Incarnation) || p.Incarnation == a.Incarnation {
				continue
			}
			if out[a] == nil {
				out[a] = make(map[*layout.Member]bool)
			}
			j := slices.IndexFunc(s.current.Members, func(m layout.Member) bool { return m.Incarnation == p.Incarnation })
			out[a][&s.current.Members[j]] = true
		}
	}
	return out
}

func (s *situation) steady(id layout.ID) bool {
	o := s.heard[id]
	return o != nil && o.Answering >= CutAfter
}

func complaints(missing map[*layout.Member]map[*layout.Member]bool, about *layout.Member) int {
	n := 0
	for _, of := range missing {
		if of[about] {
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
