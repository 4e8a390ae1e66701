package controllers

import (
	"context"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/objects"
)

// pods are all that there are.
type pods struct {
	client.Client
	all []corev1.Pod
}

func (p *pods) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	into.(*corev1.PodList).Items = p.all
	return nil
}

// settled is a cluster of one node that serves, in its StatefulSet and its pod.
func settled(t *testing.T) (*world, *pods) {
	t.Helper()
	w := single(layout.Serving)
	w.record.Layout.Members = w.record.Layout.Members[:1]
	w.cluster.Name, w.cluster.UID = "snow", "u"
	w.cluster.Default()
	w.sets = make(map[string]*appsv1.StatefulSet)
	all := &pods{}
	w.asked = w.names
	withNode(t, w, all, "snow-0-255")
	w.pods["snow-0-255"].Labels = map[string]string{objects.RevisionLabel: objects.Revision(w.cluster, "")}
	return w, all
}

// withNode adds a node's StatefulSet and pod, as they are before they are deleted.
func withNode(t *testing.T, w *world, all *pods, node string) {
	t.Helper()
	name, err := layout.ParseName(node)
	if err != nil {
		t.Fatal(err)
	}
	set := objects.StatefulSet(w.cluster, name, "")
	w.sets[set.Name] = set
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: node}}
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, Controller: new(true)}}
	all.all = append(all.all, pod)
}

// The pod of a node that is no more may be ready for some seconds. It counts among the cluster's,
// so meanwhile no pod may be evicted in its stead.
func TestLeftOfNodes(t *testing.T) {
	const gone = "snow-r3-0-255"
	for name, tt := range map[string]struct {
		change func(w *world, all *pods)
		left   []string
	}{
		"all is there":              {func(*world, *pods) {}, []string{gone}},
		"its set is deleted":        {func(w *world, _ *pods) { delete(w.sets, "snow-r3-0") }, []string{gone}},
		"its pod is deleted":        {func(_ *world, all *pods) { all.all = all.all[:1] }, []string{gone}},
		"both are":                  {func(w *world, all *pods) { delete(w.sets, "snow-r3-0"); all.all = all.all[:1] }, nil},
		"it is in the record":       {func(w *world, _ *pods) { w.names = append(w.names, nodeName(gone)) }, nil},
		"its set is somebody's":     {func(w *world, _ *pods) { w.sets["snow-r3-0"].OwnerReferences = nil }, nil},
		"its pod is nobody's":       {func(w *world, all *pods) { delete(w.sets, "snow-r3-0"); all.all[1].OwnerReferences = nil }, nil},
		"its pod is made otherwise": {func(w *world, all *pods) { delete(w.sets, "snow-r3-0"); all.all[1].OwnerReferences[0].Kind = "Job" }, nil},
	} {
		w, all := settled(t)
		withNode(t, w, all, gone)
		tt.change(w, all)
		if err := (&Reconciler{Client: all}).observeLeft(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(w.left)); !slices.Equal(got, tt.left) {
			t.Errorf("%s: %v is left", name, got)
		}
		p := &plan{}
		w.planNodes(p, "")
		if told := w.facts(p, someTime).Left; len(told) != len(tt.left) || len(told) > 0 && (told[0].Name.String() != gone || (told[0].Pod == nil) != (len(all.all) == 1)) {
			t.Errorf("%s: it is told that %v are left", name, told)
		}
		if len(tt.left) > 0 && (w.calm(p) || w.budget(p) != 2) {
			t.Errorf("%s: calm %t, %d pods must stay", name, w.calm(p), w.budget(p))
		}
		if len(tt.left) == 0 && len(w.names) == 1 && !w.calm(p) {
			t.Errorf("%s: not calm", name)
		}
	}
}

func nodeName(text string) layout.Name {
	name, err := layout.ParseName(text)
	if err != nil {
		panic(err)
	}
	return name
}

// No serial is used twice, though the record was set back and has an older one.
func TestSerialOfARecordThatWasSetBack(t *testing.T) {
	for name, tt := range map[string]struct {
		recorded uint64
		change   func(w *world)
		want     uint64
	}{
		"it has the newest":  {5, func(*world) {}, 5},
		"it was set back":    {2, func(*world) {}, 3},
		"another's set":      {2, func(w *world) { w.sets["snow-r3-0"].OwnerReferences = nil }, 2},
		"a new one is added": {2, ended, 4},
	} {
		w, all := settled(t)
		w.now, w.record.Serial = someTime, tt.recorded
		w.record.Layout.Members[0].Home = "home"
		withNode(t, w, all, "snow-r3-0-255")
		tt.change(w)
		p := &plan{}
		w.planNodes(p, "")
		next := w.changes(p)
		if p.nodes.Serial != tt.want || (next == nil) != (tt.want == tt.recorded) || next != nil && next.Serial != tt.want {
			t.Errorf("%s: serial %d, %+v", name, p.nodes.Serial, next)
		}
	}
}
