package controllers

import (
	"errors"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/roster"
)

// planDrops finds what can be deleted: the StatefulSets of nodes that are no more, and pods that
// hold nothing and must be made anew in their place.
func (w *world) planDrops(p *plan) {
	// Ranges that begin alike have StatefulSets of one name, so the node counts.
	keep := make(map[string]bool, len(w.names))
	for _, name := range w.names {
		keep[name.String()] = true
	}
	for _, set := range w.sets {
		if keep[objects.NodeOf(set)] || !metav1.IsControlledBy(set, w.cluster) || !set.DeletionTimestamp.IsZero() {
			continue
		}
		if w.isBehind(objects.NodeOf(set)) {
			p.retry = true
			continue
		}
		p.dropSets = append(p.dropSets, set)
	}
	slices.SortFunc(p.dropSets, func(a, b *appsv1.StatefulSet) int { return strings.Compare(a.Name, b.Name) })
	for _, name := range w.names {
		pod := w.pods[name.String()]
		if pod == nil || !pod.DeletionTimestamp.IsZero() || !slices.Contains(p.nodes.Stay, name) {
			continue
		}
		anew := w.outdated(name) || w.mistaken(name) || w.emptied(pod)
		if anew && w.holdsNothing(pod) || w.isRetired(name, pod) {
			p.dropPods = append(p.dropPods, pod)
		}
	}
}

// isBehind tells whether the process of a node that is no more answers and has not heard of it:
// if it were stopped now it would wait to be let go.
func (w *world) isBehind(name string) bool {
	s := w.sights[name]
	return w.record.Layout != nil && s != nil && s.Status != nil && s.Status.Epoch > 0 && s.Status.Epoch < w.record.Layout.Epoch
}

// outdated tells whether a node's pod was made from an older template than its
// StatefulSet has now.
func (w *world) outdated(name layout.Name) bool {
	pod, set := w.pods[name.String()], w.sets[v1alpha1.StatefulSetName(name)]
	return pod != nil && set != nil && set.Status.ObservedGeneration == set.Generation &&
		pod.Labels[objects.RevisionLabel] != set.Spec.Template.Labels[objects.RevisionLabel]
}

// mistaken tells whether a node's process started with another secret than the cluster
// has, as the Secret was another one meanwhile. Such a process can be no member, and never
// becomes one.
func (w *world) mistaken(name layout.Name) bool {
	s, pod := w.sights[name.String()], w.pods[name.String()]
	return w.secret != nil && s != nil && errors.Is(s.Err, roster.ErrSecret) && string(pod.UID) == s.Pod
}

// holdsNothing tells whether a pod can go without taking anything with it that counts: no
// process in it is a member that has duties.
func (w *world) holdsNothing(pod *corev1.Pod) bool {
	if w.record.Layout == nil {
		return true
	}
	for i := range w.record.Layout.Members {
		m := &w.record.Layout.Members[i]
		if m.Home == string(pod.UID) && m.Phase != layout.Joining && w.dead[m.Incarnation] == "" {
			return false
		}
	}
	return true
}
