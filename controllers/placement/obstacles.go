package placement

import (
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// obstacles says what does not come right by itself, or only when somebody comes back.
func (s *situation) obstacles() string {
	_, words := s.newcomers()
	return strings.Join(slices.Concat(words, s.stuck(), s.cutFor(), s.unreached()), "; ")
}

// stuck says of which slots no owner can serve; neighbours that have it in common
// together.
func (s *situation) stuck() []string {
	var why []string
	spans := make(map[string][]string)
	for i := range s.current.Segments {
		w := s.waits(&s.current.Segments[i])
		if w == "" {
			continue
		}
		if spans[w] == nil {
			why = append(why, w)
		}
		spans[w] = append(spans[w], s.span(i))
	}
	for i, w := range why {
		why[i] = strings.Join(spans[w], ", ") + ": " + w
	}
	return why
}

// waits says what a segment waits for, if nobody has everything of it who can be relied
// on.
func (s *situation) waits(g *layout.Segment) string {
	var silent, unknown []*layout.Member
	for _, m := range s.holders(g) {
		switch {
		case s.suspect[m.Incarnation]:
			silent = append(silent, m)
		case !s.dead[m.Incarnation]:
			return ""
		}
	}
	if len(silent) > 0 {
		who := spell(silent)
		return verb(who, "its only owner ", "its owners ") + are(who, "does not answer and is not proven dead", "do not answer and are not proven dead")
	}
	for _, m := range s.attachedAlive(g) {
		if !s.suspect[m.Incarnation] {
			return ""
		}
		unknown = append(unknown, m)
	}
	if len(unknown) > 0 {
		who := spell(unknown)
		return "all its owners are dead but " + strings.Join(who, ", ") + ", which " + verb(who, "does", "do") + " not answer and " + verb(who, "is", "are") + " not proven dead"
	}
	return "all its owners are dead and no new member stands ready"
}

// cutFor says which members do not reach each other if neither can be spared.
func (s *situation) cutFor() []string {
	var words []string
	for _, c := range s.cuts() {
		pair := spell([]*layout.Member{c.goes, c.stays})
		slices.Sort(pair)
		words = append(words, strings.Join(pair, " and ")+" do not reach each other, and neither can be spared")
	}
	slices.Sort(words)
	return slices.Compact(words)
}
