package placement

import (
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// promote makes attached members serving that have everything of all their slots (I3).
// Such a one stands behind those that serve already, so the primary stays; only where
// nobody serves, in slots that were given up, it becomes the primary.
func promote(s *situation) (*draft, string) {
	var ready []string
	d := edit(s.current)
	for i := range d.members {
		if m := &d.members[i]; m.Phase == layout.Attached && s.finished(m) {
			m.Phase = layout.Serving
			ready = append(ready, m.Name.String())
		}
	}
	if len(ready) == 0 {
		return nil, ""
	}
	return d, are(ready, "has", "have") + " everything and " + verb(ready, "serves", "serve")
}

// finished tells whether an attached member has everything of its slots. It must say so
// itself, and now: a member that does not answer is of no help.
func (s *situation) finished(m *layout.Member) bool {
	if s.heard[m.Incarnation] == nil {
		return false
	}
	for _, g := range s.within(m) {
		if !s.begun(g) && !s.complete(m.Incarnation, g) {
			return false
		}
	}
	return true
}

// are joins who and the verb: "a has", "a, b have".
func are(who []string, one, several string) string {
	return strings.Join(who, ", ") + " " + verb(who, one, several)
}

func verb(who []string, one, several string) string {
	if len(who) == 1 {
		return one
	}
	return several
}
