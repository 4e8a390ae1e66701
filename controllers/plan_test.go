package controllers

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/placement"
	"github.com/eiri/seppen/controllers/roster"
)

// single is a world of one node, whose process is a member in some phase.
func single(phase layout.Phase) *world {
	name := layout.Name{Base: "snow", Range: layout.Range{Lo: 0, Hi: 255}}
	l := &layout.Layout{Cluster: layout.ID{9}, Epoch: 4}
	for i, p := range []layout.Phase{layout.Serving, phase} {
		l.Members = append(l.Members, layout.Member{
			Name: name, Address: "10.0.0.1:1", Home: []string{"elsewhere", "home"}[i], Incarnation: layout.ID{byte(i) + 1}, JoinEpoch: 1, Phase: p,
		})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name.String(), UID: "home"}}
	sight := &roster.Sight{Target: roster.Target{Name: name, Pod: "home", IP: "10.0.0.1"}, Status: &peer.Status{Incarnation: layout.ID{2}}}
	return &world{
		cluster: &v1alpha1.SeppenCluster{}, id: l.Cluster, names: []layout.Name{name}, record: &layouts.Record{Content: layouts.Content{Layout: l, Names: []layout.Name{name}}},
		pods:   map[string]*corev1.Pod{name.String(): pod},
		sights: map[string]*roster.Sight{name.String(): sight},
		dead:   map[layout.ID]string{},
	}
}

// Whose pod may go, and who gets duties: a process that holds nothing may be stopped, and one
// that is being stopped gets nothing.
func TestWhoHoldsWhat(t *testing.T) {
	for name, tt := range map[string]struct {
		phase   layout.Phase
		change  func(w *world)
		nothing bool // the pod holds
		seen    bool // by placement, when the pod is deleted
	}{
		"joining":             {layout.Joining, func(*world) {}, true, false},
		"attached":            {layout.Attached, func(*world) {}, false, true},
		"serving":             {layout.Serving, func(*world) {}, false, true},
		"serving, but dead":   {layout.Serving, func(w *world) { w.dead[layout.ID{2}] = "it ended" }, true, true},
		"another one is dead": {layout.Serving, func(w *world) { w.dead[layout.ID{1}] = "it ended" }, false, true},
		"no member": {layout.Serving, func(w *world) {
			w.record.Layout.Members = w.record.Layout.Members[:1]
		}, true, false},
		"silent":                               {layout.Serving, func(w *world) { w.sights["snow-0-255"].Status = nil }, false, false},
		"a member of long ago, in another pod": {layout.Serving, func(w *world) { w.record.Layout.Members[1].Home = "other" }, true, true},
		"no layout":                            {layout.Serving, func(w *world) { w.record.Layout = nil }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := single(tt.phase)
			tt.change(w)
			pod := w.pods["snow-0-255"]
			if got := w.holdsNothing(pod); got != tt.nothing {
				t.Errorf("holds nothing: %t", got)
			}
			answers := w.sights["snow-0-255"].Status != nil
			if got := len(w.observations(&plan{})); (got == 1) != answers {
				t.Errorf("%d seen", got)
			}
			if got := len(w.observations(&plan{dropPods: []*corev1.Pod{pod}})); (got == 1) != tt.seen {
				t.Errorf("%d seen that are about to be replaced", got)
			}
			pod.DeletionTimestamp = new(metav1.Now())
			if got := len(w.observations(&plan{})); (got == 1) != tt.seen {
				t.Errorf("%d seen that are being deleted", got)
			}
		})
	}
}

// A process that does not have the cluster's secret is no member, whatever it was before.
func TestMistaken(t *testing.T) {
	secret, err := uid.NewSecret([]byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(w *world)
		want   bool
	}{
		"it has another secret": {func(*world) {}, true},
		"a member lives in it": {func(w *world) {
			w.record.Layout.Members = append(w.record.Layout.Members, layout.Member{Home: "home", Incarnation: layout.ID{3}, Phase: layout.Serving})
		}, false},
		"so has the operator": {func(w *world) { w.secret = nil }, false},
		"it does not answer":  {func(w *world) { w.sights["snow-0-255"].Err = errors.New("connection refused") }, false},
		"it was another pod":  {func(w *world) { w.sights["snow-0-255"].Pod = "another" }, false},
	} {
		w := single(layout.Serving)
		w.secret, w.record.Layout.Members = secret, w.record.Layout.Members[:1]
		w.sights["snow-0-255"].Status, w.sights["snow-0-255"].Err = nil, roster.ErrSecret
		tt.change(w)
		p := &plan{}
		w.planNodes(p, "")
		w.planDrops(p)
		if got := len(p.dropPods) == 1; got != tt.want {
			t.Errorf("%s: dropped: %t", name, got)
		}
	}
}

// A loss that nobody was told of keeps its mark.
func TestLossesAreToldFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		marked []uint64 // now, by segment
		next   []uint64
		told   []int64
		want   bool // keeps the step from being made
	}{
		"no loss":            {[]uint64{0, 0}, []uint64{0, 0}, nil, false},
		"told":               {[]uint64{3, 0}, []uint64{0, 0}, []int64{3}, false},
		"not told":           {[]uint64{3, 0}, []uint64{0, 0}, []int64{2}, true},
		"its mark stays":     {[]uint64{3, 0}, []uint64{3, 0}, nil, false},
		"partly":             {[]uint64{3, 3}, []uint64{0, 3}, nil, false},
		"one of two is told": {[]uint64{3, 2}, []uint64{0, 0}, []int64{3}, true},
	} {
		w := single(layout.Serving)
		layoutOf := func(marks []uint64) *layout.Layout {
			l := *w.record.Layout
			l.Segments = nil
			for i, loss := range marks {
				l.Segments = append(l.Segments, layout.Segment{Lo: uint8(i), View: 1, Order: []uint16{0}, Loss: loss})
			}
			return &l
		}
		w.record.Layout = layoutOf(tt.marked)
		for _, epoch := range tt.told {
			w.cluster.Status.LostSlots = append(w.cluster.Status.LostSlots, v1alpha1.SlotLoss{Epoch: epoch})
		}
		if got := w.forgets(layoutOf(tt.next)); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// When to look again.
func TestAgain(t *testing.T) {
	settled := func() *world {
		w := single(layout.Serving)
		w.record.Layout.Members = w.record.Layout.Members[:1]
		return w
	}
	for name, tt := range map[string]struct {
		change func(w *world, p *plan)
		want   time.Duration
	}{
		"all is well":                        {func(*world, *plan) {}, look},
		"all is well, and machines are seen": {func(w *world, _ *plan) { w.sighted = true }, machineAge},
		"something was written":              {func(w *world, p *plan) { w.wrote, p.retry = true, true }, atOnce},
		"something waits":                    {func(_ *world, p *plan) { p.retry = true }, soon},
		"an answer is missing":               {func(w *world, _ *plan) { w.unsure = true }, soon},
		"other machines are to be read":      {func(w *world, _ *plan) { w.sighted, w.unseen = true, true }, soon},
		"somebody is silent":                 {func(w *world, _ *plan) { w.silent = map[layout.ID]time.Duration{{1}: time.Second} }, underway},
		"somebody joins":                     {func(w *world, _ *plan) { w.record.Layout.Members[0].Phase = layout.Joining }, underway},
		"somebody is away":                   {func(w *world, _ *plan) { w.names = append(w.names, layout.Name{Base: "ice"}) }, underway},
		"somebody is there, twice":           {func(w *world, _ *plan) { w.record = single(layout.Joining).record }, underway},
		"there is no layout":                 {func(w *world, _ *plan) { w.record.Layout = nil }, look},
	} {
		w, p := settled(), &plan{}
		tt.change(w, p)
		w.planNodes(p, "")
		if got := w.again(p); got != tt.want {
			t.Errorf("%s: %s, not %s", name, got, tt.want)
		}
	}
}

// A node may know a newer layout than was read a moment ago, as another operator wrote it:
// then it is read again. What nobody wrote was lost.
func TestOvertaken(t *testing.T) {
	kube := kubetest.Get(t)
	for name, tt := range map[string]struct {
		written uint64 // by the other operator
		knows   uint64 // a node
		frozen  string
	}{
		"nobody knows more":      {2, 1, ""},
		"another one was faster": {2, 2, "retry"},
		"it was set back":        {1, 2, conditions.LayoutConflict},
		"it is gone":             {0, 2, conditions.LayoutLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace(t), Name: "snow"}}
			if err := kube.Client.Create(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			r := &Reconciler{Client: kube.Client, Live: kube.Client}
			w := single(layout.Serving)
			w.cluster = c
			w.id, _ = layouts.ClusterID(c)
			record := &layouts.Record{}
			first := record
			for epoch := uint64(1); epoch <= tt.written; epoch++ {
				l := *w.record.Layout
				l.Cluster, l.Epoch, l.Members = w.id, epoch, w.record.Layout.Members[:1]
				l.Segments = layout.SegmentsOf(l.Members, 1)
				var err error
				if record, err = r.layouts().Write(t.Context(), c, record, layouts.Content{Layout: &l, Fingerprint: "print", Names: l.Names()}); err != nil {
					t.Fatal(err)
				}
				if epoch == 1 {
					first = record
				}
			}
			w.record = first
			w.sights["snow-0-255"].Status.Cluster, w.sights["snow-0-255"].Status.Epoch = w.id, tt.knows
			err := r.missLayout(t.Context(), w)
			switch {
			case tt.frozen == "retry":
				if !errors.Is(err, layouts.ErrChanged) || w.frozen {
					t.Errorf("%v, frozen %t", err, w.frozen)
				}
			case err != nil:
				t.Error(err)
			case tt.frozen == "" && w.frozen || tt.frozen != "" && (w.stop == nil || w.stop.Reason != tt.frozen):
				t.Errorf("frozen %t: %+v", w.frozen, w.stop)
			}
		})
	}
}

// What a pod tells of its end is remembered when nobody looks.
func TestWitness(t *testing.T) {
	r := &Reconciler{}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "home", Labels: map[string]string{
		"app.kubernetes.io/name": "seppen", "app.kubernetes.io/component": "node", "app.kubernetes.io/instance": "snow",
	}}}
	pod.Spec.NodeName = "machine"
	witness{Reconciler: r}.see(pod)
	if got := r.homes.Machine(types.UID("home")); got != "machine" {
		t.Errorf("machine %q", got)
	}
	pod.UID, pod.Labels = "another", nil
	witness{Reconciler: r}.see(pod)
	if got := r.homes.Machine(types.UID("another")); got != "" {
		t.Errorf("the machine of another's pod: %q", got)
	}
}

// All that a node says of itself, and of others, comes to the placement.
func TestObservations(t *testing.T) {
	w := single(layout.Serving)
	st := w.sights["snow-0-255"].Status
	st.Cluster, st.Epoch, st.Layout, st.Purged = layout.ID{9}, 4, "hash", 3
	st.Segments = []peer.SegmentStatus{{Lo: 7}}
	st.Peers = []peer.PeerStatus{{Incarnation: layout.ID{1}, Silent: 5}}
	st.Joining = []peer.JoiningStatus{{Incarnation: layout.ID{3}, Answered: true, Silent: 6}}
	w.sights["snow-0-255"].Answering = time.Minute
	want := []placement.Observation{{
		Name: w.names[0], Address: w.sights["snow-0-255"].Address(), Home: "home", Incarnation: layout.ID{2}, Cluster: layout.ID{9},
		Epoch: 4, Layout: "hash", Purged: 3, Segments: st.Segments, Peers: st.Peers, Joining: st.Joining, Answering: time.Minute,
	}}
	if diff := cmp.Diff(want, w.observations(&plan{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
