package controllers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
)

// registry answers for machines and counts how often.
type registry struct {
	client.Reader
	reads int
	err   error
}

func (r *registry) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	r.reads++
	o.SetName(key.Name)
	return r.err
}

// What is known of a machine is a few seconds old at most, and is not asked for more often.
func TestMachines(t *testing.T) {
	nodes := schema.GroupResource{Resource: "nodes"}
	r := &registry{}
	m := &machines{}
	now := someTime
	ask := func(want int, there bool) {
		t.Helper()
		node := m.of(t.Context(), r, "m", now)
		if r.reads != want || (node != nil) != there {
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
	r.err = apierrors.NewNotFound(nodes, "m")
	ask(4, false)
	ask(4, false)
	now, r.err = now.Add(machineAge), apierrors.NewForbidden(nodes, "m", nil)
	ask(5, false)
	now = now.Add(refusedAge - time.Second)
	ask(5, false)
	if m.readable(now) {
		t.Error("it may be read, although that was refused")
	}
	now, r.err = now.Add(time.Second), nil
	ask(6, true)
	if m.of(t.Context(), r, "", now); r.reads != 6 {
		t.Error("no machine was asked for")
	}
	// Of many each is asked for less often.
	for i := range 200 {
		m.of(t.Context(), r, fmt.Sprint("m", i), now)
	}
	r.reads = 0
	now = now.Add(machineAge)
	ask(0, true)
	now = now.Add(machineAge + time.Second)
	ask(1, true)
	// Those that nobody asks for are forgotten.
	now = now.Add(10 * time.Minute)
	m.of(t.Context(), r, "m", now)
	if len(m.known) != 1 {
		t.Errorf("%d are known", len(m.known))
	}
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
