package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a machine wants sent does not depend on the order in which a map is walked through:
// a simulation that fails can be replayed.
func TestTheSameAgain(t *testing.T) {
	play := func() (out []string) {
		w, p, b, _ := three(t)
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := range 40 {
			p.order(put(fmt.Sprint("k", rnd.IntN(30)), byte(i)))
		}
		for _, m := range p.sent() {
			if rnd.IntN(2) == 0 {
				w.deliver(m)
			} else {
				w.answer(m, nil, false)
			}
		}
		w.pass(time.Second)
		w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP, idB, idC)
		for _, m := range append(p.sent(), b.sent()...) {
			out = append(out, describe(m))
			w.deliver(m)
		}
		for _, m := range b.sent() {
			out = append(out, describe(m))
		}
		return out
	}
	first := play()
	if !slices.ContainsFunc(first, func(s string) bool { return strings.Contains(s, "{2 20}") }) {
		t.Fatalf("too little happens: %v", first)
	}
	for range 10 {
		if diff := cmp.Diff(first, play()); diff != "" {
			t.Fatalf("(-first +again):\n%s", diff)
		}
	}
}

func describe(m message) string {
	if m.gather != nil {
		return fmt.Sprintf("gather %v of %d", m.gather.Slots, m.to[0])
	}
	return fmt.Sprintf("%s %v to %d", m.replicate.Msg.Entry.Key, m.replicate.Msg.Entry.Version, m.to[0])
}
