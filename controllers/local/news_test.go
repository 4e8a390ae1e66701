package local

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
)

// What a new layout changes is said; what nobody sees is not.
func TestNews(t *testing.T) {
	names, err := layout.Names("x", 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	before := &layout.Layout{Cluster: layout.ID{1}, Epoch: 4}
	for i, n := range names {
		before.Members = append(before.Members, layout.Member{Name: n, Address: "h:1", Incarnation: layout.ID{byte(i + 1)}, JoinEpoch: 1, Phase: layout.Serving})
	}
	before.Segments = layout.SegmentsOf(before.Members, 1)
	for name, c := range map[string]struct {
		change func(l *layout.Layout)
		want   []string
	}{
		"nothing": {func(*layout.Layout) {}, nil},
		"a mark":  {func(l *layout.Layout) { l.Dead = nil; l.Segments[0].Loss = 0 }, nil},
		"a phase": {func(l *layout.Layout) { l.Members[0].Phase = layout.Leaving }, []string{
			"epoch 5: why. Slots 0-84 to x-170-84."}},
		"a member": {func(l *layout.Layout) {
			l.Members = append(l.Members, layout.Member{Name: names[0], Address: "h:1", Incarnation: layout.ID{9}, JoinEpoch: 5, Phase: layout.Joining})
		}, []string{"epoch 5: why."}},
		"primaries": {func(l *layout.Layout) {
			l.Segments[0].Order, l.Segments[2].Order = []uint16{2, 0}, []uint16{1, 2}
		}, []string{"epoch 5: why. Slots 0-84 to x-170-84, 170-255 to x-85-255."}},
		"a loss": {func(l *layout.Layout) { l.Segments[2].Loss, l.Segments[0].Loss, l.Segments[1].Loss = 5, 5, 4 }, []string{
			"epoch 5: why.", "ALL COPIES ARE LOST of slots 170-84: their keys and values are gone."}},
	} {
		after := *before
		after.Epoch = 5
		after.Members = append([]layout.Member(nil), before.Members...)
		after.Segments = append([]layout.Segment(nil), before.Segments...)
		c.change(&after)
		if d := cmp.Diff(c.want, news(before, &after, "why")); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

// Time in which the author itself stood still is nobody else's silence.
func TestClock(t *testing.T) {
	var c clock
	at := time.Unix(1000, 0)
	for _, step := range []struct {
		after, want time.Duration
	}{{0, 0}, {tick, tick}, {tick, 2 * tick}, {time.Hour, 2*tick + maxTick}, {-time.Hour, 2*tick + maxTick}, {tick, 3*tick + maxTick}} {
		at = at.Add(step.after)
		if c.tick(at); c.now != step.want {
			t.Errorf("after %v more it is %v, want %v", step.after, c.now, step.want)
		}
	}
}
