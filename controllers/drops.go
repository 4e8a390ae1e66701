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

func (w *world) planDrops(p *plan) {
	if w.record.Layout == nil {
		// Ranges that begin alike have StatefulSets of one name, so the node counts.
		keep := make(map[string]bool, len(w.names))
		for _, name := range w.names {
			keep[name.String()] = true
		}
		for _, set := range w.sets {
			if !keep[set.Labels[objects.NodeLabel]] && metav1.IsControlledBy(set, w.cluster) && set.DeletionTimestamp.IsZero() {
				p.dropSets = append(p.dropSets, set)
			}
		}
		slices.SortFunc(p.dropSets, func(a, b *appsv1.StatefulSet) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, name := range w.names {
		pod := w.pods[name.String()]
		if pod == nil || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		if w.outdated(name) && w.holdsNothing(pod) || w.mistaken(name) {
			p.dropPods = append(p.dropPods, pod)
		}
	}
}

// outdated tells whether a node's pod was made from an older template than its
// StatefulSet has now.
func (w *world) outdated(name layout.Name) bool {
	pod, set := w.pods[name.String()], w.sets[v1alpha1.StatefulSetName(name)]
	return pod != nil && set != nil && set.Status.ObservedGeneration == set.Generation && set.Status.UpdateRevision != "" &&
		pod.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision
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
