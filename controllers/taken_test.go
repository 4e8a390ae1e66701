package controllers

import (
	"context"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/objects"
)

// namespace is all StatefulSets and pods of one, as the caches have them, and what no cache shows.
type namespace struct {
	client.Client
	sets   []appsv1.StatefulSet
	pods   []corev1.Pod
	hidden []string // StatefulSets
	asked  int      // how often for these
}

func (n *namespace) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	switch list := into.(type) {
	case *appsv1.StatefulSetList:
		list.Items = n.sets
	case *corev1.PodList:
		list.Items = n.pods
	case *metav1.PartialObjectMetadataList:
		n.asked++
		for _, name := range n.hidden {
			list.Items = append(list.Items, metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}})
		}
	}
	return nil
}

// A new node is called as nobody is, whoever has its name: a node of another cluster, its pod, or
// what no operator made. One that cannot have its name makes room for another one.
func TestTakenNames(t *testing.T) {
	set := func(name string) appsv1.StatefulSet {
		return appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	pod := func(name, cluster string) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: objects.Labels(cluster)}}
	}
	newcomer := func(w *world) { w.names = append(w.names, nodeName("snow-r1-0-255")) }
	for name, tt := range map[string]struct {
		others namespace
		before func(w *world)
		want   string // the new node
		asked  int    // for what no cache shows
	}{
		"nobody's":                             {namespace{}, nil, "snow-r1-0-255", 0},
		"a set of another cluster":             {namespace{sets: []appsv1.StatefulSet{set("snow-r1-0")}}, nil, "snow-r2-0-255", 0},
		"a pod of another cluster":             {namespace{pods: []corev1.Pod{pod("snow-r1-0-255", "snow-r1")}}, nil, "snow-r2-0-255", 0},
		"another part of another cluster":      {namespace{sets: []appsv1.StatefulSet{set("snow-r1-85")}, pods: []corev1.Pod{pod("snow-r1-85-169", "snow-r1")}}, nil, "snow-r1-0-255", 0},
		"a pod of its own that was forgotten":  {namespace{pods: []corev1.Pod{pod("snow-r1-0-255", "snow")}}, nil, "snow-r1-0-255", 0},
		"it is to come":                        {namespace{}, newcomer, "snow-r1-0-255", 1},
		"it is to come, and there is another":  {namespace{sets: []appsv1.StatefulSet{set("snow-r1-0")}}, newcomer, "snow-r2-0-255", 1},
		"it is to come, and something unknown": {namespace{hidden: []string{"snow-r1-0"}}, newcomer, "snow-r2-0-255", 1},
		"it is to come, and others are there":  {namespace{hidden: []string{"rain", "snow-r1-85"}}, newcomer, "snow-r1-0-255", 1},
		"the place of one that is gone": {namespace{hidden: []string{"snow-0"}}, func(w *world) {
			delete(w.pods, "snow-0-255")
			delete(w.sets, "snow-0")
		}, "snow-r1-0-255", 1},
		"the place of one that lives": {namespace{hidden: []string{"snow-0"}}, func(w *world) {
			delete(w.sets, "snow-0")
		}, "snow-r1-0-255", 1},
	} {
		w, _ := settled(t)
		w.now, w.record.Layout.Members[0].Home = someTime, "home"
		ended(w)
		if tt.before != nil {
			tt.before(w)
		}
		r := &Reconciler{Client: &tt.others, Live: &tt.others}
		if err := r.observeTaken(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		p := &plan{}
		w.planNodes(p, "")
		if !slices.Equal(p.nodes.Stay, []layout.Name{nodeName(tt.want)}) || tt.others.asked != tt.asked {
			t.Errorf("%s: %v stays, asked %d times", name, p.nodes.Stay, tt.others.asked)
		}
	}
}

// A node whose name was taken while it has a pod goes on in it, and one that has none is replaced.
func TestDisplaced(t *testing.T) {
	for _, pod := range []bool{true, false} {
		w, _ := settled(t)
		w.now, w.taken.sets = someTime, map[string]bool{"snow-0": true}
		if !pod {
			clear(w.pods)
		}
		p := &plan{}
		w.planNodes(p, "")
		if added := len(p.nodes.Added); (added == 0) != pod {
			t.Errorf("it has a pod: %t, %d new nodes", pod, added)
		}
	}
}

// Before there is a record the first nodes' names are what they are, and nobody is asked.
func TestFirstNamesAreNotChosen(t *testing.T) {
	w, _ := settled(t)
	w.record.Layout = nil
	n := &namespace{sets: []appsv1.StatefulSet{{ObjectMeta: metav1.ObjectMeta{Name: "snow-0"}}}}
	if err := (&Reconciler{Client: n, Live: n}).observeTaken(t.Context(), w); err != nil || w.taken.has(w.names[0]) || n.asked > 0 {
		t.Errorf("%v, %+v", err, w.taken)
	}
}
