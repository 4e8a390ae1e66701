package placement

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// isReached tells whether the primary of a segment has heard of a joining member since that
// joined, and of late. A member that copies reaches its primary, but not always the other way
// round; attached, it would keep its slots from being used until it is removed, and another time
// when it comes back, without end.
//
// What cannot be said does not count against it. A primary of an older version says nothing of
// those who join. One that does not answer is waited for until it was silent for WordAfter: who
// is cut off from the author only must not hold up others for ever.
func (s *situation) isReached(m *layout.Member, g *layout.Segment) bool {
	p := s.primary(g)
	if p == nil || s.dead[p.Incarnation] || s.silent[p.Incarnation] >= WordAfter {
		return true
	}
	// It must know that it is the primary, and that this one joins.
	if o := s.heard[p.Incarnation]; o == nil || o.Epoch < max(m.JoinEpoch, g.View) {
		return false
	}
	word := s.word(p, m)
	return word == nil || word.Within(SuspectAfter)
}

// word is what a member says of one that joins; nil if nothing.
func (s *situation) word(of, about *layout.Member) *peer.JoiningStatus {
	o := s.heard[of.Incarnation]
	if o == nil {
		return nil
	}
	i := slices.IndexFunc(o.Joining, func(j peer.JoiningStatus) bool { return j.Incarnation == about.Incarnation })
	if i < 0 {
		return nil
	}
	return &o.Joining[i]
}

// unreached says which members would be attached if the primaries of their slots reached them.
func (s *situation) unreached() []string {
	var words []string
	for i := range s.current.Members {
		m := &s.current.Members[i]
		if m.Phase != layout.Joining || !s.hasCopied(m, true) {
			continue
		}
		var by []string
		for _, g := range s.copyable(m, true) {
			if p := s.primary(g); p != nil && s.misses(p, m) {
				by = append(by, p.Name.String())
			}
		}
		if slices.Sort(by); len(by) > 0 {
			by = slices.Compact(by)
			words = append(words, are(by, "does", "do")+" not reach "+m.Name.String()+", which has copied its slots and cannot be attached")
		}
	}
	return words
}

// misses tells whether a member says that one who joins has not answered for so long that it
// will hardly do so by itself.
func (s *situation) misses(p, m *layout.Member) bool {
	word := s.word(p, m)
	return word != nil && time.Duration(word.Silent)*time.Millisecond >= CutAfter
}
