package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// machineAge is how old what is known of a machine may be, and so how soon it is seen that
	// one is cordoned.
	machineAge = 5 * time.Second
	// machinePace is how often machines are asked about at most, however many there are: with
	// more than a hundred, each is asked about less often.
	machinePace = 50 * time.Millisecond
	// refusedAge is for how long an operator that may not read machines does not try.
	refusedAge = time.Minute
)

// machines are what is known of Nodes, whose word is to be had by their names only: nobody who
// looks after one cluster needs the list of them.
type machines struct {
	mu      sync.Mutex
	known   map[string]knownMachine
	refused time.Time // when it was last said that the operator may not
}

type knownMachine struct {
	node *corev1.Node // nil: there is none
	at   time.Time
}

// readable tells whether the operator may read machines, as far as is known.
func (m *machines) readable(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused.IsZero() || now.Sub(m.refused) >= refusedAge
}

// of is a machine as it was a moment ago; nil if it is not known.
func (m *machines) of(ctx context.Context, live client.Reader, name string, now time.Time) *corev1.Node {
	if name == "" || !m.readable(now) {
		return nil
	}
	if node, fresh := m.remembered(name, now); fresh {
		return node
	}
	node := &corev1.Node{}
	err := live.Get(ctx, types.NamespacedName{Name: name}, node)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case apierrors.IsForbidden(err):
		m.refused = now
		return nil
	case apierrors.IsNotFound(err):
		node = nil
	case err != nil:
		log.FromContext(ctx).V(1).Info("a machine could not be read", "machine", name, "error", err.Error())
		return m.known[name].node
	}
	if m.known == nil {
		m.known = make(map[string]knownMachine)
	}
	m.known[name] = knownMachine{node, now}
	return node
}

// remembered is what is known of a machine, if that is not too old.
func (m *machines) remembered(name string, now time.Time) (node *corev1.Node, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	age := max(machineAge, time.Duration(len(m.known))*machinePace)
	for other, k := range m.known {
		if now.Sub(k.at) > 10*age {
			delete(m.known, other) // nobody asks any more
		}
	}
	k, known := m.known[name]
	return k.node, known && now.Sub(k.at) < age
}

// observeMachines looks at the machines on which pods run.
func (r *Reconciler) observeMachines(ctx context.Context, w *world) error {
	w.machines = make(map[string]*corev1.Node)
	for _, pod := range w.pods {
		w.machines[pod.Spec.NodeName] = r.machines.of(ctx, r.Live, pod.Spec.NodeName, w.now)
	}
	w.sighted = r.machines.readable(w.now)
	return nil
}

// states are taints with which Kubernetes tells how a machine is. They come and go by
// themselves, and nobody empties it by them.
var states = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeMemoryPressure, corev1.TaintNodeDiskPressure,
	corev1.TaintNodePIDPressure, corev1.TaintNodeNetworkUnavailable,
}

// cordon is the taint that a machine has which is cordoned, at once or a moment later.
var cordon = corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}

// emptied tells whether a pod's machine is being emptied: no such pod may come to it, or stay.
// One that may come though the machine is cordoned would come again.
func (w *world) emptied(pod *corev1.Pod) bool {
	machine := w.machines[pod.Spec.NodeName]
	if machine == nil {
		return false
	}
	taints := machine.Spec.Taints
	if machine.Spec.Unschedulable {
		taints = append(slices.Clone(taints), cordon)
	}
	return slices.ContainsFunc(taints, func(t corev1.Taint) bool {
		return t.Effect != corev1.TaintEffectPreferNoSchedule && !slices.Contains(states, t.Key) && !tolerated(pod, &t)
	})
}

func tolerated(pod *corev1.Pod, taint *corev1.Taint) bool {
	return slices.ContainsFunc(pod.Spec.Tolerations, func(t corev1.Toleration) bool {
		all := t.Key == "" && t.Operator == corev1.TolerationOpExists
		return (all || t.Key == taint.Key) && (t.Effect == "" || t.Effect == taint.Effect) &&
			(t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
	})
}

// lost tells whether a pod's machine cannot be reached: what is asked of its kubelet is not
// done.
func (w *world) lost(pod *corev1.Pod) bool {
	machine := w.machines[pod.Spec.NodeName]
	return machine != nil && slices.ContainsFunc(machine.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == corev1.TaintNodeUnreachable
	})
}
