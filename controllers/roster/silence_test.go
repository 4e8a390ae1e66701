package roster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

var (
	alice = layout.ID{0xa}
	bob   = layout.ID{0xb}
)

func members(ids ...layout.ID) *layout.Layout {
	l := &layout.Layout{}
	for _, id := range ids {
		l.Members = append(l.Members, layout.Member{Incarnation: id})
	}
	return l
}

// diary is a silence and what was found at each of its ticks.
type diary struct {
	*silence
	now   time.Time
	lines []string
}

// pass lets time go by, in ticks; whoever speaks answers at each of them.
func (d *diary) pass(span time.Duration, speak ...layout.ID) {
	for range span / tickEvery {
		d.now = d.now.Add(tickEvery)
		d.look(speak...)
	}
}

func (d *diary) look(speak ...layout.ID) {
	d.tick(d.now)
	for _, id := range speak {
		d.answered(id, 10*time.Millisecond)
	}
	if d.judge() {
		d.lines = append(d.lines, fmt.Sprintf("after %s: %s", d.awake, d.words()))
	}
}

func (d *diary) words() string {
	var out []string
	silent := d.silent()
	for _, id := range slices.SortedFunc(maps.Keys(silent), func(a, b layout.ID) int { return int(a[0]) - int(b[0]) }) {
		out = append(out, fmt.Sprintf("%x %s", id[0], silent[id]))
	}
	return strings.Join(out, ", ")
}

func TestSilence(t *testing.T) {
	for name, tt := range map[string]struct {
		story func(d *diary)
		want  []string
	}{
		"all answer": {func(d *diary) { d.pass(5*time.Second, alice, bob) }, nil},
		"one falls silent, and answers again": {func(d *diary) {
			d.pass(time.Second, alice, bob)
			d.pass(2*time.Second, alice)
			d.pass(time.Second, alice, bob)
		}, []string{"after 2.2s: b 1.21s", "after 3.1s: "}},
		"a word is missed now and then": {func(d *diary) {
			for range 5 {
				d.pass(time.Second, alice)
				d.pass(tickEvery, alice, bob)
			}
		}, nil},
		"one was never heard of": {func(d *diary) { d.pass(2*time.Second, bob) }, []string{"after 1.2s: a 1.2s"}},
		"one becomes a member later": {func(d *diary) {
			carol := layout.ID{0xc}
			d.pass(10*time.Second, alice, bob)
			d.track(members(alice, bob, carol))
			d.pass(2*time.Second, alice, bob)
		}, []string{"after 11.2s: c 1.2s"}},
		"a newcomer that answered is not asked anew": {func(d *diary) {
			carol := layout.ID{0xc}
			d.pass(time.Second, alice, bob, carol)
			d.pass(time.Second, alice, bob)
			d.track(members(alice, bob, carol))
			d.pass(time.Second, alice, bob)
		}, []string{"after 2.2s: c 1.21s"}},
		"one is no member any more": {func(d *diary) {
			d.pass(time.Second, alice, bob)
			d.track(members(alice))
			d.pass(3*time.Minute, alice)
			if len(d.heard) != 1 || len(d.suspect) != 0 || len(d.since) != 1 || len(d.last) != 1 {
				d.lines = append(d.lines, fmt.Sprintf("it is remembered for ever: %v %v", d.heard, d.suspect))
			}
		}, []string{"after 2.2s: "}},
		// We did not hear anybody while we stood still, and nobody is to blame.
		"this process stands still": {func(d *diary) {
			d.pass(time.Second, alice, bob)
			d.now = d.now.Add(time.Minute)
			d.look()
			d.pass(500 * time.Millisecond)
			d.pass(2*time.Second, alice, bob)
		}, nil},
		"the clock is set back": {func(d *diary) {
			d.pass(time.Second, alice, bob)
			d.now = d.now.Add(-time.Hour)
			d.pass(2*time.Second, alice)
		}, []string{"after 2.2s: b 1.21s"}},
		// What it said before it stood still is no answer of now.
		"an answer from before": {func(d *diary) {
			d.pass(time.Second, alice, bob)
			for range 12 {
				d.now = d.now.Add(tickEvery)
				d.tick(d.now)
				d.answered(alice, 0)
				d.answered(bob, d.awake) // each time older
			}
			d.look(alice)
		}, []string{"after 2.2s: b 1.21s"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &diary{silence: newSilence(), now: time.Unix(1000, 0)}
			d.track(members(alice, bob))
			d.look()
			tt.story(d)
			if !slices.Equal(d.lines, tt.want) {
				t.Errorf("got  %q\nwant %q", d.lines, tt.want)
			}
		})
	}
}

func TestAnswering(t *testing.T) {
	d := &diary{silence: newSilence(), now: time.Unix(1000, 0)}
	d.track(members(alice))
	d.look()
	for i, tt := range []struct {
		span   time.Duration
		speaks bool
		want   time.Duration
	}{
		{time.Second, false, 0},
		{3 * time.Second, true, 2910 * time.Millisecond},
		{time.Second, false, 3910 * time.Millisecond}, // a gap, but not so long
		{time.Second, true, 4910 * time.Millisecond},
		{2 * time.Second, false, 0},
		{time.Second, true, 910 * time.Millisecond},
	} {
		if tt.speaks {
			d.pass(tt.span, alice)
		} else {
			d.pass(tt.span)
		}
		if got := d.answering(alice); got != tt.want {
			t.Errorf("part %d: %s, not %s", i, got, tt.want)
		}
		if last := d.now.Add(-10 * time.Millisecond); tt.speaks && !d.last[alice].Equal(last) {
			t.Errorf("part %d: it answered last at %s, not %s", i, d.last[alice], last)
		}
	}
}
