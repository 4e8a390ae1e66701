package local

import (
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/controllers/placement"
)

// A node that cannot copy is named once for each cause, and anew after it had everything.
func TestHindrances(t *testing.T) {
	c := config(t, "a-0-127", "b-128-255")
	var said text
	c.Stderr = &said
	a, err := newAuthor(&c)
	if err != nil {
		t.Fatal(err)
	}
	a.ready = true
	n := a.nodes[1]
	const full, alone = "copying: slot 2: memory limit reached", "copying: slot 3: no owner answers"
	for i, step := range []struct {
		after time.Duration
		stuck string
		ready bool
		want  string
	}{
		{stuck: full, after: time.Second},
		{stuck: full, after: stuckFor / 2},
		{stuck: full, after: stuckFor / 2, want: full},
		{stuck: strings.Replace(full, "2", "5", 1), after: time.Minute},
		{stuck: alone, after: time.Second, want: alone},
		{stuck: full, after: time.Second},
		{after: time.Second},
		{stuck: alone, after: time.Hour},
		{stuck: alone, after: time.Hour},
		{after: time.Second, ready: true},
		{stuck: full, after: time.Second},
		{stuck: full, after: stuckFor, want: full},
	} {
		a.clock.now += step.after
		n.heard = a.clock.now
		n.status.Stuck, n.status.Ready = step.stuck, step.ready
		before := said.String()
		a.hindrances()
		want := ""
		if step.want != "" {
			want = "waiting: b-128-255: " + step.want + "\n"
		}
		if got := strings.TrimPrefix(said.String(), before); got != want {
			t.Errorf("step %d says %q, want %q", i+1, got, want)
		}
	}
	// What a node said last that does not answer any more is not news.
	n.causes = nil
	a.clock.now += placement.SuspectAfter
	before := said.String()
	if a.hindrances(); said.String() != before {
		t.Errorf("of a silent node: %q", strings.TrimPrefix(said.String(), before))
	}
}

// A change that cannot be completed is not silent.
func TestChangeThatDoesNotFit(t *testing.T) {
	t.Parallel()
	r, changes, c := changing(t, "full.x-0-127", "full.x-128-255")
	changes <- wanted(t, c, "full.x-0-255")
	r.waitNote(`(?m)^waiting: full\.x-r1-0-255: copying: slot 2: memory limit reached$`)
	r.stop()
}
