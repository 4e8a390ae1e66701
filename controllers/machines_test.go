package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
)

// registry answers for machines and counts how often.
type registry struct {
	client.Reader
	mu    sync.Mutex
	reads int
	err   error
	hangs bool
	slow  time.Duration
}

func (r *registry) Get(ctx context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	r.mu.Lock()
	r.reads++
	hangs, err := r.hangs, r.err
	r.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(r.slow)
	o.SetName(key.Name)
	return err
}

// What is known of a machine is a few seconds old at most, and is not asked for more often.
func TestMachines(t *testing.T) {
	nodes := schema.GroupResource{Resource: "nodes"}
	r := &registry{}
	m := &machines{}
	now := someTime
	ask := func(want int, there bool) {
		t.Helper()
		more := m.refresh(t.Context(), r, []string{"m"}, now)
		if node := m.of("m", now); more || r.reads != want || (node != nil) != there {
			t.Errorf("%d reads, not %d; %v", r.reads, want, node)
		}
	}
	ask(1, true)
	now = now.Add(machineAge - time.Millisecond)
	ask(1, true)
	now = now.Add(time.Millisecond)
	ask(2, true)
	now, r.err = now.Add(machineAge), errors.New("no answer")
	ask(3, true) // as it was
	ask(3, true) // and a failure counts as long as an answer
	now, r.err = now.Add(machineAge), apierrors.NewNotFound(nodes, "m")
	ask(4, false)
	ask(4, false)
	now, r.err = now.Add(machineAge), nil
	ask(5, true)
	now, r.err = now.Add(machineAge), apierrors.NewForbidden(nodes, "m", nil)
	ask(6, false)
	now = now.Add(refusedAge - time.Second)
	ask(6, false)
	if m.readable(now) {
		t.Error("it may be read, although that was refused")
	}
	now, r.err = now.Add(time.Second), nil
	ask(7, true)
}

// Of many machines each is asked for less often, and those that nobody asks for are forgotten.
func TestManyMachines(t *testing.T) {
	r, m, now := &registry{}, &machines{}, someTime
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprint("m", i)
	}
	for m.refresh(t.Context(), r, names, now) {
	}
	if r.reads != len(names) {
		t.Errorf("%d reads", r.reads)
	}
	for after, want := range map[time.Duration]bool{machineAge: false, 2 * machineAge: true} {
		if more := m.refresh(t.Context(), r, names, now.Add(after)); more != want {
			t.Errorf("after %s others are due: %t", after, more)
		}
	}
	if m.refresh(t.Context(), r, names[:1], now.Add(10*time.Minute)); len(m.known) != 1 {
		t.Errorf("%d are known", len(m.known))
	}
}

// An API server that does not answer holds up a look for one timeout, whatever there is to ask,
// and the machines that had their turn do not keep the others from theirs.
func TestMachinesThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, m := &registry{}, &machines{}
		names := make([]string, 2*machineReads+3)
		for i := range names {
			names[i] = fmt.Sprint("m", i)
		}
		r.slow = machineTimeout - time.Millisecond // all of a look at the same time
		began := time.Now()
		for m.refresh(t.Context(), r, names, began) {
		}
		if took := time.Since(began); took != 3*r.slow {
			t.Errorf("three looks took %s", took)
		}
		time.Sleep(machineAge)
		r.reads, r.hangs = 0, true
		now := time.Now()
		for i, want := range []struct {
			reads int
			took  time.Duration
			more  bool
		}{{machineReads, machineTimeout, true}, {2 * machineReads, machineTimeout, true}, {len(names), machineTimeout, false}, {len(names), 0, false}} {
			began := time.Now()
			more := m.refresh(t.Context(), r, names, now)
			if took := time.Since(began); took != want.took || r.reads != want.reads || more != want.more {
				t.Errorf("look %d: %s, %d reads, more %t", i, took, r.reads, more)
			}
		}
		for _, name := range names {
			if m.of(name, now) == nil {
				t.Errorf("what was known of %s is forgotten", name)
			}
		}
	})
}

// The machines of all pods are looked at, also of those that hold nothing.
func TestObserveMachines(t *testing.T) {
	for phase, change := range map[layout.Phase]func(w *world){
		layout.Serving: func(*world) {}, layout.Joining: func(*world) {}, layout.Attached: func(w *world) { w.record.Layout = nil },
	} {
		w := single(phase)
		w.pods["snow-0-255"].Spec.NodeName = "m"
		change(w)
		r := &registry{}
		if err := (&Reconciler{Live: r}).observeMachines(t.Context(), w); err != nil || r.reads != 1 || !w.sighted {
			t.Errorf("%s: %v, %d reads", phase, err, r.reads)
		}
	}
}
