package operator

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/eiri/seppen/api/v1alpha1"
)

// The largest cluster: how much it asks of the API server. docs/performance.md has the
// figures that this test prints.
func TestManyShards(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	const shards = 256
	s := newSite(t)
	o := s.operate()
	start := time.Now()
	s.create("many", func(spec *v1alpha1.SeppenClusterSpec) { spec.Shards = new(int32(shards)) })
	s.until("all objects are written", func() bool { return len(s.sets()) == shards })
	written := time.Since(start)
	reads, writes := o.counts()
	t.Logf("%d shards, %d copies: all objects written after %.1f s, with %d reads and %d writes", shards, 2, written.Seconds(), reads, writes)
	s.until("all nodes serve", func() bool { return meta.IsStatusConditionTrue(s.cluster("many").Status.Conditions, "Ready") })
	reads, writes = o.counts()
	t.Logf("serving after %.1f s, with %d reads and %d writes", time.Since(start).Seconds(), reads, writes)
	// One for each StatefulSet, a handful of other objects, the layout; and the status,
	// which follows what happens, and is written again where somebody else was quicker.
	if most := shards + 20 + int(time.Since(start)/time.Second); writes > most {
		t.Errorf("%d writes, want %d at most", writes, most)
	}

	s.quiet(o)
	start = time.Now()
	const rounds = 5
	for range rounds {
		s.reconcile(o, "many")
	}
	took := time.Since(start) / rounds
	reads, writes, which := o.reset()
	t.Logf("a reconcile of no change: %s, %d reads, %d writes", took.Round(time.Millisecond), reads/rounds, writes)
	if writes != 0 || reads > 2*(rounds+2) {
		t.Errorf("%d reconciles of no change took %d reads and %d writes %v", rounds, reads, writes, which)
	}
	if c := s.cluster("many"); len(c.Status.Nodes) != shards {
		t.Errorf("%d nodes in the status", len(c.Status.Nodes))
	}
}

// until waits for what takes long.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(5 * time.Minute); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not in five minutes: %s", what)
		}
	}
}

func (t *traffic) counts() (reads, writes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reads, t.writes
}
