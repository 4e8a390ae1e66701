package operator

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
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
	var c *v1alpha1.SeppenCluster
	kubetest.Eventually(s.t, func() error {
		c = s.cluster(name)
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
		if p := meta.FindStatusCondition(c.Status.Conditions, "Progressing"); p.Reason != "Complete" || p.ObservedGeneration != c.Generation {
			return errors.New(tell(c))
		}
		if !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") || !meta.IsStatusConditionFalse(c.Status.Conditions, "Degraded") {
			return errors.New(tell(c))
		}
		return nil
	})
	return c
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
