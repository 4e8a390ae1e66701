package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/objects"
)

// taken are names of StatefulSets and pods that are somebody else's. The first replacement in
// cluster snow would be called as the first nodes of a cluster snow-r1 are.
type taken struct{ sets, pods map[string]bool }

func (t taken) has(name layout.Name) bool {
	return t.sets[v1alpha1.StatefulSetName(name)] || t.pods[name.String()]
}

// displaced tells whether a node has no pod and cannot have one, as its name is taken. One that
// has a pod goes on in it.
func (w *world) displaced(name layout.Name) bool {
	return w.pods[name.String()] == nil && w.taken.has(name)
}

// observeTaken finds the names that no node can have. Before there is a record, names cannot be
// chosen, and whoever is in the way is told of.
func (r *Reconciler) observeTaken(ctx context.Context, w *world) error {
	w.taken = taken{sets: make(map[string]bool), pods: make(map[string]bool)}
	if w.record.Layout == nil {
		return nil
	}
	sets, pods := &appsv1.StatefulSetList{}, &corev1.PodList{}
	for _, list := range []client.ObjectList{sets, pods} {
		// They are looked at and let go, so that there need not be copies of all.
		if err := r.Client.List(ctx, list, client.InNamespace(w.cluster.Namespace), client.UnsafeDisableDeepCopy); err != nil {
			return fmt.Errorf("list %T of all clusters: %w", list, err)
		}
	}
	for i := range sets.Items {
		w.takes(&sets.Items[i])
	}
	for i := range pods.Items {
		if !objects.IsOf(w.cluster.Name, &pods.Items[i]) {
			w.taken.pods[pods.Items[i].Name] = true
		}
	}
	return r.observeHidden(ctx, w)
}

// observeHidden asks for StatefulSets that no cache shows, as they were not made by an operator or
// only just now: if a node has none, one of these may be in the way.
func (r *Reconciler) observeHidden(ctx context.Context, w *world) error {
	missing := false
	for _, name := range w.names {
		missing = missing || w.sets[v1alpha1.StatefulSetName(name)] == nil
	}
	if !missing {
		return nil
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("StatefulSetList"))
	if err := r.Live.List(ctx, list, client.InNamespace(w.cluster.Namespace)); err != nil {
		return fmt.Errorf("list the StatefulSets of the namespace: %w", err)
	}
	for i := range list.Items {
		w.takes(&list.Items[i])
	}
	return nil
}

func (w *world) takes(set client.Object) {
	if !metav1.IsControlledBy(set, w.cluster) {
		w.taken.sets[set.GetName()] = true
	}
}
