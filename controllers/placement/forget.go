package placement

import (
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// forget takes away the marks of what is over: of losses that no entry refers to any
// more, and of the dead whose leases nobody can be waiting for.
func forget(s *situation) (*draft, string) {
	d := edit(s.current)
	var cleared []string
	for i := range s.current.Segments {
		if s.purged(&s.current.Segments[i]) {
			d.segments[i].Loss = 0
			cleared = append(cleared, s.span(i))
		}
	}
	if s.settled() { // so none of the dead is a member any more
		d.dead = nil
	}
	var reasons []string
	if len(cleared) > 0 {
		reasons = append(reasons, "no key refers any more to values that were lost with "+strings.Join(cleared, ", "))
	}
	if len(d.dead) < len(s.current.Dead) {
		reasons = append(reasons, "nobody waits for the dead")
	}
	if len(reasons) == 0 {
		return nil, ""
	}
	return d, strings.Join(reasons, "; ")
}

// purged tells whether every member that may hold entries has none that refers to values
// lost with a segment. Until somebody serves it, the mark also says that it is empty. What
// a node says of that is true until it takes a slot over: it must say it of this layout.
func (s *situation) purged(g *layout.Segment) bool {
	if g.Loss == 0 || s.begun(g) {
		return false
	}
	for i := range s.current.Members {
		id := s.current.Members[i].Incarnation
		if s.dead[id] {
			continue
		}
		if o := s.heard[id]; o == nil || o.Epoch != s.current.Epoch || o.Purged < s.current.Epoch {
			return false
		}
	}
	return true
}

// settled tells whether every segment's primary is active in the segment's view.
func (s *situation) settled() bool {
	for i := range s.current.Segments {
		if !s.active(&s.current.Segments[i]) {
			return false
		}
	}
	return true
}
