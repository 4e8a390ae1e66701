package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/fakekubelet"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/layouts"
)

// record is what is durable.
func (s *site) record(name string) *layouts.Record {
	s.t.Helper()
	store := &layouts.Store{Reader: s.Client, Writer: s.Client}
	r, err := store.Read(s.t.Context(), s.cluster(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// becomes waits until a cluster has as many nodes as the spec asks for and no others: in the
// record, in the layout, as StatefulSets and as pods, and all is well.
func (s *site) becomes(name string) *v1alpha1.SeppenCluster {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error { return s.isDone(name) })
	return s.cluster(name)
}

// isDone says what is left of it.
func (s *site) isDone(name string) error {
	s.t.Helper()
	c := s.cluster(name)
	c.Default()
	asked, err := c.Nodes()
	if err != nil {
		return err
	}
	r := s.record(name)
	if r.Layout == nil {
		return errors.New("no layout")
	}
	var ranges, wanted []string
	for i := range r.Layout.Members {
		m := &r.Layout.Members[i]
		ranges = append(ranges, m.Name.Range.String())
		if n := s.kubelet.Node(m.Name.String()); m.Phase != layout.Serving || n == nil || n.Incarnation() != m.Incarnation {
			return fmt.Errorf("%s is %s; %s", m.Name, m.Phase, tell(c))
		}
	}
	for _, n := range asked {
		wanted = append(wanted, n.Range.String())
	}
	slices.Sort(ranges)
	slices.Sort(wanted)
	if !slices.Equal(ranges, wanted) || len(r.Names) != len(wanted) || len(s.sets()) != len(wanted) || len(s.pods()) != len(wanted) {
		return fmt.Errorf("members of %v, nodes %v, sets %v, pods %v; %s", ranges, r.Names, s.sets(), s.pods(), tell(c))
	}
	p := meta.FindStatusCondition(c.Status.Conditions, "Progressing")
	if p.Reason != "Complete" || p.ObservedGeneration != c.Generation ||
		!meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") || !meta.IsStatusConditionFalse(c.Status.Conditions, "Degraded") {
		return errors.New(tell(c))
	}
	return nil
}

func shape(shards, copies int32) func(*v1alpha1.SeppenClusterSpec) {
	return func(spec *v1alpha1.SeppenClusterSpec) { spec.Shards, spec.Copies = new(shards), new(copies) }
}

// Any shape becomes any other.
func TestReshape(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	watch := s.watch("snow")
	s.create("snow", shape(3, 1))
	s.becomes("snow")
	for _, to := range [][2]int32{{5, 1}, {2, 1}, {2, 2}, {1, 3}, {1, 1}} {
		s.edit("snow", shape(to[0], to[1]))
		c := s.becomes("snow")
		if c.Status.Shards != to[0] || c.Status.Copies != to[1] || c.Status.MissingCopies != 0 || len(c.Status.LostSlots) > 0 {
			t.Errorf("%v: %+v", to, c.Status)
		}
	}
	watch.check()
	s.agreed()
}

// A change of mind in the middle: what is not needed any more goes, and what is stays.
func TestReshapeAndBack(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	o := s.operate()
	watch := s.watch("snow")
	s.create("snow", shape(3, 1))
	s.becomes("snow")
	before := s.layout("snow").Members
	s.kubelet.Slow(true)
	s.edit("snow", shape(5, 1))
	found := s.says("snow", "Progressing", metav1.ConditionTrue, "Scaling")
	kubetest.Eventually(t, func() error {
		if n := len(s.layout("snow").Members); n != 8 {
			return fmt.Errorf("%d members", n)
		}
		return nil
	})
	// Who scales by the resource must not be told of shards that do not serve yet.
	if c := s.cluster("snow"); c.Status.Shards != 3 || !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") {
		t.Errorf("%d shards; %s", c.Status.Shards, tell(c))
	}
	if all := gauges(t, o); all["seppen_operator_nodes stay"] != 5 || all["seppen_operator_nodes go"] != 3 {
		t.Errorf("%v stay, %v go", all["seppen_operator_nodes stay"], all["seppen_operator_nodes go"])
	}
	if !strings.Contains(found.Message, "snow-r1-0-50") || !strings.Contains(found.Message, "To go: snow-0-84") {
		t.Errorf("it does not name the nodes: %s", found.Message)
	}
	s.edit("snow", shape(3, 1))
	s.becomes("snow")
	for i, m := range s.layout("snow").Members {
		if m.Incarnation != before[i].Incarnation {
			t.Errorf("%s was replaced", m.Name)
		}
	}
	// No serial is used again.
	s.kubelet.Slow(false)
	s.edit("snow", shape(5, 1))
	s.becomes("snow")
	for _, n := range s.record("snow").Names {
		if n.Base != "snow-r2" {
			t.Errorf("%s is new", n)
		}
	}
	watch.check()
}

// A new template replaces all nodes, so many at a time.
func TestRoll(t *testing.T) {
	for _, surge := range []int32{1, 2} {
		t.Run(fmt.Sprint("surge ", surge), func(t *testing.T) {
			s := newSite(t)
			s.kubelet.Graceful()
			s.operate()
			watch := s.watch("snow")
			s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) {
				spec.UpdateStrategy = &v1alpha1.UpdateStrategy{MaxSurge: new(surge)}
			})
			s.becomes("snow")
			s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = "seppen:other" })
			s.says("snow", "Progressing", metav1.ConditionTrue, "Replacing")
			s.becomes("snow")
			for _, p := range s.running() {
				if p.Spec.Containers[0].Image != "seppen:other" {
					t.Errorf("%s runs %s", p.Name, p.Spec.Containers[0].Image)
				}
			}
			watch.check()
			// One that is about to go may be there still when the next comes.
			if watch.most > 3+2*int(surge) || watch.most < 3+int(surge) {
				t.Errorf("%d pods at a time", watch.most)
			}
			s.agreed()
		})
	}
}

func (s *site) running() []corev1.Pod {
	s.t.Helper()
	list := &corev1.PodList{}
	if err := s.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// An image that never starts stays beside nodes that serve on, until it is taken back.
func TestBadImageAndBack(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	watch := s.watch("snow")
	s.create("snow", shape(3, 1))
	s.becomes("snow")
	before := s.layout("snow").Members
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = fakekubelet.BadImage })
	found := s.says("snow", "Progressing", metav1.ConditionFalse, "ImagePull")
	if !strings.Contains(found.Message, "snow-r1-0-84: image") || !strings.Contains(found.Message, "snow-0-84 goes on") {
		t.Errorf("it says %q", found.Message)
	}
	s.serving("snow")
	s.says("snow", "Degraded", metav1.ConditionFalse, "AllCopies")
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = "" })
	s.becomes("snow")
	for i, m := range s.layout("snow").Members {
		if m.Incarnation != before[i].Incarnation {
			t.Errorf("%s was replaced", m.Name)
		}
	}
	watch.check()
}

// A pod of the only copy that is deleted waits until another node has what it holds.
func TestDeletedPodOfOneCopy(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	watch := s.watch("snow")
	s.create("snow", shape(3, 1))
	c := s.becomes("snow")
	if n := c.Status.Nodes[1]; n.SafeToDelete || n.SafeToDeleteReason != "85-169 has one copy" {
		t.Errorf("safe to delete: %t, %s", n.SafeToDelete, n.SafeToDeleteReason)
	}
	s.deletePod("snow-85-169")
	s.says("snow", "Progressing", metav1.ConditionTrue, "Draining")
	c = s.becomes("snow")
	if len(c.Status.LostSlots) > 0 || c.Status.Nodes[1].Name != "snow-r1-85-169" {
		t.Errorf("%+v", c.Status)
	}
	watch.check()
}
