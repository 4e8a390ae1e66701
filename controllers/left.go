package controllers

import (
	"context"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/controllers/objects"
)

// observeLeft finds what is left of nodes that stand no more in the record. Kubernetes counts
// their pods among those of the cluster until they are gone.
func (r *Reconciler) observeLeft(ctx context.Context, w *world) error {
	pods := &corev1.PodList{}
	if err := r.list(ctx, w, pods); err != nil {
		return err
	}
	w.left = make(map[string]*corev1.Pod)
	for _, set := range w.sets {
		if metav1.IsControlledBy(set, w.cluster) {
			w.left[objects.NodeOf(set)] = nil
		}
	}
	for i := range pods.Items {
		if w.made(&pods.Items[i]) {
			w.left[pods.Items[i].Name] = &pods.Items[i]
		}
	}
	for _, name := range w.names {
		delete(w.left, name.String())
	}
	return nil
}

// made tells whether a StatefulSet made a pod that is the cluster's, or is gone: its pod is about
// to be collected then.
func (w *world) made(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "StatefulSet" || owner.APIVersion != appsv1.SchemeGroupVersion.String() {
		return false
	}
	set := w.sets[owner.Name]
	return set == nil || metav1.IsControlledBy(set, w.cluster)
}

// remains is what is left, in the order of the names.
func (w *world) remains() []conditions.Left {
	var out []conditions.Left
	for _, text := range slices.Sorted(maps.Keys(w.left)) {
		if name, err := layout.ParseName(text); err == nil {
			out = append(out, conditions.Left{Name: name, Pod: w.left[text]})
		}
	}
	return out
}

// serial is the last one that was given out, as far as is known: a record that was set back has
// an older one, and what it forgot is still there.
func (w *world) serial() uint64 {
	last := w.record.Serial
	for _, set := range w.sets {
		name, err := layout.ParseName(objects.NodeOf(set))
		if err == nil && metav1.IsControlledBy(set, w.cluster) {
			last = max(last, membership.Number(w.cluster.Name, name.Base))
		}
	}
	return last
}
