package controllers

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// shelf is a client that lists one pod.
type shelf struct {
	client.Client
	pod *corev1.Pod
}

func (s shelf) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*corev1.PodList).Items = []corev1.Pod{*s.pod}
	return nil
}

// kept is a world whose node has a StatefulSet, which controls the node's pod.
func kept() *world {
	w := single(layout.Serving)
	w.now, w.asked = someTime, w.names
	w.cluster.Name, w.cluster.UID = "snow", "u"
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "snow-0", UID: "set", OwnerReferences: []metav1.OwnerReference{
		{Kind: "SeppenCluster", Name: "snow", UID: "u", Controller: new(true)},
	}}}
	w.sets = map[string]*appsv1.StatefulSet{set.Name: set}
	w.pods["snow-0-255"].OwnerReferences = []metav1.OwnerReference{{Kind: "StatefulSet", Name: set.Name, UID: set.UID, Controller: new(true)}}
	return w
}

// Which pods are the cluster's: those that a StatefulSet of its controls, and those in which a
// member lives, whatever became of their StatefulSets.
func TestObservePods(t *testing.T) {
	nobody := func(w *world) { w.record.Layout.Members = w.record.Layout.Members[:1] }
	joins := func(w *world) { w.record.Layout.Members[1].Phase = layout.Joining }
	anew := func(w *world) { w.sets["snow-0"].UID = "newer" }
	gone := func(w *world) { clear(w.sets) }
	orphan := func(w *world) { w.pods["snow-0-255"].OwnerReferences = nil }
	foreign := func(w *world) { w.sets["snow-0"].OwnerReferences[0].UID = "another" }
	early := func(w *world) { w.record.Layout = nil }
	for name, tt := range map[string]struct {
		changes []func(w *world)
		want    bool
	}{
		"controlled":                             {nil, true},
		"controlled, no member yet":              {[]func(*world){nobody}, true},
		"controlled, before the layout":          {[]func(*world){early}, true},
		"its StatefulSet was made anew":          {[]func(*world){anew}, true},
		"its StatefulSet is gone":                {[]func(*world){gone}, true},
		"its StatefulSet is gone, it joins":      {[]func(*world){gone, joins}, true},
		"nobody controls it":                     {[]func(*world){orphan}, true},
		"its StatefulSet was taken away":         {[]func(*world){foreign}, true},
		"a StatefulSet of before, no member":     {[]func(*world){anew, nobody}, false},
		"nobody controls it, no member":          {[]func(*world){orphan, nobody}, false},
		"nobody controls it, before the layout":  {[]func(*world){orphan, early}, false},
		"of somebody else's StatefulSet":         {[]func(*world){foreign, nobody}, false},
		"the next of its name, of somebody else": {[]func(*world){orphan, func(w *world) { w.pods["snow-0-255"].UID = "next" }}, false},
	} {
		w := kept()
		for _, change := range tt.changes {
			change(w)
		}
		r := &Reconciler{Client: shelf{pod: w.pods["snow-0-255"]}}
		if err := r.observePods(t.Context(), w); err != nil || (w.pods["snow-0-255"] != nil) != tt.want {
			t.Errorf("%s: %v, %v", name, err, w.pods)
		}
		if (w.earlier["snow-0-255"] == nil) != tt.want {
			t.Errorf("%s: of others there are %v", name, w.earlier)
		}
	}
}

// Somebody deletes a StatefulSet, and another one is made: the pod of the first is being deleted.
// It is asked until it is gone, and another node comes beside it.
func TestTheSetOfAMemberIsDeleted(t *testing.T) {
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		t.Fatal(err)
	}
	w := kept()
	w.secret, w.sets["snow-0"].UID = secret, "newer"
	pod := w.pods["snow-0-255"]
	pod.DeletionTimestamp = new(metav1.NewTime(someTime.Add(time.Minute)))
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, "127.0.0.1"
	r := &Reconciler{Client: shelf{pod: pod}, PeerPort: 1}
	t.Cleanup(r.Close)
	observe := func() {
		t.Helper()
		for _, observe := range []func(context.Context, *world) error{r.observeRoster, r.observePods, r.observeNodes} {
			if err := observe(t.Context(), w); err != nil {
				t.Fatal(err)
			}
		}
		if seen := w.roster.Look(); len(seen) != 1 || seen[0].Pod != "home" {
			t.Errorf("connected to %+v", seen)
		}
	}
	observe()
	p := &plan{}
	w.planNodes(p, "")
	if !w.ends(w.names[0]) || len(p.nodes.Added) != 1 {
		t.Errorf("nobody comes beside it: %+v", p.nodes)
	}
	if got := w.ending()[layout.ID{2}]; got != time.Minute {
		t.Errorf("it has %s left", got)
	}
	w.record.Layout.Members = w.record.Layout.Members[:1]
	observe() // a member no more, it has to hear of that
}
