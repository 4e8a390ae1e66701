package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/placement"
)

// One that is connected and says nothing does not count as answering. When it answers
// again it does, with the same connection or another one.
func TestFrozen(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets)
	r.Publish(first(t, nodes))
	for _, n := range nodes {
		r.sight(t, n.Name, "ready", func(s Sight) bool { return s.Status != nil && s.Status.Ready })
	}
	r.settle()
	if silent := r.Silent(); len(silent) > 0 {
		t.Errorf("silent: %v", silent)
	}
	nodes[1].Freeze()
	kubetest.Eventually(t, func() error {
		if silent := r.Silent(); silent[nodes[1].Incarnation()] < placement.SuspectAfter {
			return fmt.Errorf("silent: %v", silent)
		}
		return nil
	})
	for _, s := range r.Look() {
		if silent := s.Name.String() == nodes[1].Name; silent != (s.Status == nil) || silent != (s.Answering == 0) || silent != errors.Is(s.Err, errSilent) {
			t.Errorf("%+v", s)
		}
	}
	r.mu.Lock()
	if !r.hurryUntil.After(time.Now()) {
		t.Error("nobody is in a hurry to know what the others say")
	}
	r.mu.Unlock()
	// The others are asked at once what they say of it, and are not silent for that.
	r.sight(t, nodes[0].Name, "complaining", func(s Sight) bool {
		return s.Status != nil && slices.Equal(complaints(s.Status), []layout.ID{nodes[1].Incarnation()})
	})
	nodes[1].Thaw()
	r.sight(t, nodes[1].Name, "back", func(s Sight) bool { return s.Status != nil && s.Answering > 0 })
	if silent := r.Silent(); len(silent) > 0 {
		t.Errorf("silent: %v", silent)
	}
}

// settle ends the hurry after what happened last.
func (r *roster) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hurryUntil = time.Time{}
}

// Nodes of which nothing is to be known are heard of all the same.
func TestHeardInQuietTimes(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets)
	r.Publish(first(t, nodes))
	for _, n := range nodes {
		r.sight(t, n.Name, "ready", func(s Sight) bool { return s.Status != nil && s.Status.Ready })
	}
	r.settle()
	woken := r.woken.Load()
	for end := time.Now().Add(2 * pollQuiet); time.Now().Before(end); time.Sleep(tickEvery) {
		for id, silent := range r.Silent() {
			if silent >= placement.SuspectAfter {
				t.Fatalf("%s is silent for %s", id, silent)
			}
		}
	}
	if now := r.woken.Load(); now != woken {
		t.Errorf("woken %d times by nothing", now-woken)
	}
}

// A member whose pod is gone is silent, and so is one that was never heard of.
func TestSilentWithoutPod(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets[:2])
	l := first(t, nodes)
	r.Publish(l)
	r.sight(t, nodes[0].Name, "there", answers)
	r.sight(t, nodes[1].Name, "there", answers)
	r.Watch(targets[:1])
	woken := r.woken.Load()
	kubetest.Eventually(t, func() error {
		silent := r.Silent()
		for i, n := range nodes {
			if got := silent[n.Incarnation()] >= placement.SuspectAfter; got != (i > 0) {
				return fmt.Errorf("%s: %s", n.Name, silent[n.Incarnation()])
			}
		}
		return nil
	})
	if r.woken.Load() == woken {
		t.Error("nobody was woken")
	}
}

func TestAsk(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets)
	r.sight(t, nodes[0].Name, "there", answers)
	s, err := r.Ask(t.Context(), targets[0].Pod)
	if err != nil || s.Incarnation != nodes[0].Incarnation() {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := r.Ask(t.Context(), "another pod"); !errors.Is(err, errNotConnected) {
		t.Errorf("%v", err)
	}
	nodes[0].Hide()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Ask(ctx, targets[0].Pod); err == nil {
		t.Error("one that says nothing answered")
	}
}
