package controllers

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// observeMachines looks at the machines on which pods run.
func (r *Reconciler) observeMachines(ctx context.Context, w *world) error {
	names := make(map[string]bool)
	for _, pod := range w.pods {
		names[pod.Spec.NodeName] = true
	}
	delete(names, "") // of pods that are bound to none
	w.unseen = r.machines.refresh(ctx, r.Live, slices.Sorted(maps.Keys(names)), w.now)
	w.machines = make(map[string]*corev1.Node)
	for name := range names {
		w.machines[name] = r.machines.of(name, w.now)
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
