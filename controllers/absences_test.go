package controllers

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/controllers/objects"
)

// For how long a node has had no pod counts from when its StatefulSet is there and its name is free.
func TestAbsences(t *testing.T) {
	const node = "snow-0-255"
	r := &Reconciler{}
	w, _ := settled(t)
	pod, set := w.pods[node], w.sets["snow-0"]
	for i, step := range []struct {
		happens func()
		want    time.Duration
	}{
		{func() {}, 0},
		{func() { delete(w.pods, node) }, 0},
		{func() {}, 10 * time.Second},
		{func() {}, 20 * time.Second},
		{func() { w.pods[node] = pod }, 0},
		{func() { delete(w.pods, node); w.earlier = map[string]*corev1.Pod{node: pod} }, 0},
		{func() {}, 0}, // the earlier one ends when it does
		{func() { clear(w.earlier); delete(w.sets, "snow-0") }, 0},
		{func() {}, 0}, // it is to be made first
		{func() { w.sets["snow-0"] = set }, 0},
		{func() {}, 10 * time.Second},
		{func() { r.absences.see(client.ObjectKeyFromObject(w.cluster), nil, w.now) }, 0}, // the cluster was made anew
		{func() {}, 10 * time.Second},
		{func() { w.sets["snow-0"] = another(set) }, 0},
		{func() {}, 0},
	} {
		w.now = someTime.Add(time.Duration(i) * 10 * time.Second)
		step.happens()
		r.observeAbsences(w)
		if got := w.facts(&plan{}, w.now).Nodes[0].Absent; got != step.want {
			t.Errorf("step %d: %v, not %v", i, got, step.want)
		}
	}
}

// another is a StatefulSet of the same name for another node.
func another(set *appsv1.StatefulSet) *appsv1.StatefulSet {
	other := set.DeepCopy()
	other.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{objects.NodeLabel: "snow-0-127"}}
	return other
}
