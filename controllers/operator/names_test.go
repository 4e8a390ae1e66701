package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// common is a spec of three nodes with one copy and a secret that several clusters have.
func (s *site) common() func(*v1alpha1.SeppenClusterSpec) {
	s.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "common"}, StringData: map[string]string{"secret": "x"}}
	if err := s.Client.Create(s.t.Context(), secret); err != nil {
		s.t.Fatal(err)
	}
	return func(spec *v1alpha1.SeppenClusterSpec) {
		shape(3, 1)(spec)
		spec.SecretRef = &v1alpha1.SecretReference{Name: "common"}
	}
}

// consistsOf waits until a cluster has these nodes, which all serve, and nothing left to do.
func (s *site) consistsOf(name string, nodes ...string) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		var have []string
		if r := s.record(name); r.Layout != nil && layout.SameNames(r.Names, r.Layout.Names()) {
			for i := range r.Layout.Members {
				if m := &r.Layout.Members[i]; m.Phase == layout.Serving {
					have = append(have, m.Name.String())
				}
			}
		}
		c := s.cluster(name)
		p := meta.FindStatusCondition(c.Status.Conditions, "Progressing")
		slices.Sort(have)
		if !slices.Equal(have, slices.Sorted(slices.Values(nodes))) || p.Reason != "Complete" || !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") {
			return fmt.Errorf("%s has %v; %s", name, have, tell(c))
		}
		return nil
	})
}

// The first replacements of snow would be called as the first nodes of snow-r1 are, and as
// a StatefulSet that somebody else made. Nothing is lost, and nobody's objects are touched.
func TestNamesOfOthers(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	spec := s.common()
	s.create("snow-r1", spec)
	s.create("snow", spec)
	others := []string{"snow-r1-0-84", "snow-r1-85-169", "snow-r1-170-255"}
	s.consistsOf("snow-r1", others...)
	s.consistsOf("snow", "snow-0-84", "snow-85-169", "snow-170-255")
	s.statefulSet("snow-r2-0")
	before := s.setUIDs()
	for i, p := range s.running() {
		if p.Name == "snow-0-84" {
			if err := s.Client.Delete(t.Context(), &s.running()[i], client.GracePeriodSeconds(25)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.consistsOf("snow", "snow-r3-0-84", "snow-85-169", "snow-170-255")
	c := s.cluster("snow")
	if len(c.Status.LostSlots) > 0 || !meta.IsStatusConditionFalse(c.Status.Conditions, "DataLost") {
		t.Error(tell(c))
	}
	s.consistsOf("snow-r1", others...)
	for name, uid := range s.setUIDs() {
		if was := before[name]; was != uid && name != "snow-r3-0" {
			t.Errorf("StatefulSet %s was made anew", name)
		}
	}
}

// A cluster whose first nodes would be called as those of another one are says so, and does not
// begin before these are gone.
func TestFirstNamesOfOthers(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	spec := s.common()
	s.create("snow", spec)
	s.consistsOf("snow", "snow-0-84", "snow-85-169", "snow-170-255")
	s.deletePod("snow-0-84")
	s.consistsOf("snow", "snow-r1-0-84", "snow-85-169", "snow-170-255")
	s.create("snow-r1", spec)
	found := s.says("snow-r1", "Progressing", metav1.ConditionFalse, "NameConflict")
	if want := "StatefulSet snow-r1-0 exists and is not this cluster's: it is controlled by SeppenCluster snow, which may have data in it: leave it, and give this cluster another name"; !strings.Contains(found.Message, want) {
		t.Errorf("it says %q", found.Message)
	}
	if err := s.Client.Delete(t.Context(), s.cluster("snow")); err != nil {
		t.Fatal(err)
	}
	s.consistsOf("snow-r1", "snow-r1-0-84", "snow-r1-85-169", "snow-r1-170-255")
}

// statefulSet makes one without pods that no operator knows.
func (s *site) statefulSet(name string) {
	s.t.Helper()
	labels := map[string]string{"of": "somebody"}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	set.Spec.Replicas = new(int32(0))
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	set.Spec.Template.Labels = labels
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "x", Image: "x"}}
	if err := s.Client.Create(s.t.Context(), set); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) setUIDs() map[string]string {
	s.t.Helper()
	list := &appsv1.StatefulSetList{}
	if err := s.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	out := make(map[string]string)
	for i := range list.Items {
		out[list.Items[i].Name] = string(list.Items[i].UID)
	}
	return out
}
