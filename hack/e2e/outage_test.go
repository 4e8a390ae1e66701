package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// keptKeys are keys that are written once, before it happens, and never again.
const keptKeys = 30

func (l *load) keeps(i int) string { return fmt.Sprintf("%s/kept/%02d", l.prefix, i) }

// keep writes them.
func (l *load) keep(t *testing.T) {
	t.Helper()
	s := at(l.cluster.podsNow(t)[l.nodes[0]])
	for i := range keptKeys {
		v := l.value(l.keeps(i))
		s.must(t, http.StatusCreated, http.MethodPut, "/"+l.keeps(i), v)
		l.kept = append(l.kept, v)
	}
}

// reads asks every pod for what was kept: all of it is there, but what was in slots all of
// whose copies were lost.
func (l *load) reads(t *testing.T) {
	t.Helper()
	pods := l.cluster.podsNow(t)
	gone := 0
	for i, value := range l.kept {
		for name, p := range pods {
			want := http.StatusOK
			if l.shareOf(l.ring.ownersOfKey(l.keeps(i))) == lost {
				want, gone = http.StatusNotFound, gone+1
			}
			if r := at(p).must(t, want, http.MethodGet, "/"+l.keeps(i), ""); want == http.StatusOK && r.body != value {
				t.Errorf("%s has %q for %s, not %q", name, r.body, l.keeps(i), value)
			}
		}
	}
	t.Logf("each of %d pods has what was written before, %d of %d keys were lost", len(pods), gone/len(pods), keptKeys)
}

// strike makes it happen. What all owners of a slot have is lost from now on.
func (l *load) strike(do func()) {
	l.mu.Lock()
	l.struck = time.Now()
	l.mu.Unlock()
	for _, key := range l.keys {
		if l.shareOf(l.ring.ownersOfKey(key)) == lost {
			l.history.add(key, call{method: loss}, answer{}, time.Now())
		}
	}
	do()
}

// sinceStrike are the answers to what was asked since then, in that order.
func (l *load) sinceStrike() []sighting {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []sighting
	for _, s := range l.seen {
		if s.made.After(l.struck) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sighting) int { return a.made.Compare(b.made) })
	return out
}

// tell prints how long clients had to do without.
func (l *load) tell(name string) {
	var last [2]time.Duration
	for _, s := range l.sinceStrike() {
		if !s.done && l.lives(s.way) {
			last[map[bool]int{false: 0, true: 1}[s.write]] = s.made.Sub(l.struck)
		}
	}
	fmt.Printf("%-34sreads are refused for %.1f s, writes for %.1f s; now is %.1f s\n", "  "+name, last[0].Seconds(), last[1].Seconds(), time.Since(l.struck).Seconds())
}

// lives tells whether a way leads to a node to which nothing happens: who asks the others is
// refused for as long as they are gone.
func (l *load) lives(way string) bool {
	return slices.Contains(l.nodes, way) && !slices.Contains(l.gone, way)
}

// neverStopped: what needs none of those who are gone is served as ever, by the others.
func (l *load) neverStopped(t *testing.T) {
	t.Helper()
	all, refused, told := 0, 0, ""
	for _, s := range l.sinceStrike() {
		if s.share == untouched && l.lives(s.way) {
			all++
			if !s.done {
				refused++
				told += fmt.Sprintf("\nafter %.2f s, %s, write %t: %s", s.made.Sub(l.struck).Seconds(), s.way, s.write, s.why)
			}
		}
	}
	// On a machine that is busy a node may not hear of another one for a second.
	if all < 20 || refused > 3+all/50 {
		t.Errorf("%d of %d requests were refused that need none of %v:%s", refused, all, l.gone, told)
	}
}

// finish ends the clients, asks every pod for every key, and checks all that was heard.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.cancel()
	l.done.Wait()
	pods := l.cluster.podsNow(t)
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		for _, key := range l.keys {
			made := time.Now()
			r, _, err := at(pods[name]).askAgain(t.Context(), http.MethodGet, "/"+key, "")
			if err != nil {
				t.Fatal(err)
			}
			if r.status != http.StatusOK && r.status != http.StatusNotFound {
				t.Errorf("GET %s from %s: %d %s", key, name, r.status, r.body)
				continue
			}
			out := answer{status: r.status}
			if r.status == http.StatusOK {
				out.value = r.body
			}
			l.history.add(key, call{method: http.MethodGet}, out, made)
		}
	}
	if n := len(l.wrong); n > 0 {
		t.Errorf("%d wrong answers:\n%s", n, strings.Join(l.wrong[:min(n, 10)], "\n"))
	}
	l.history.check(t)
}
