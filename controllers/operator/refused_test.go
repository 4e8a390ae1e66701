package operator

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Objects that the API server refuses are not sent again with each look. What else there is to do
// is done, and when the spec is right nothing is waited for.
func TestRefusedObjects(t *testing.T) {
	t.Parallel()
	const shards, looks = 6, 20
	s := newSite(t)
	s.kubelet.Graceful()
	o := s.operate()
	s.create("snow", shape(shards, 1))
	s.becomes("snow")
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) {
		spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"memory": resource.MustParse("-1Gi")}}
	})
	found := s.says("snow", "Progressing", metav1.ConditionFalse, "ApplyFailed")
	if !strings.Contains(found.Message, "must be greater than or equal to 0") {
		t.Errorf("it says %q", found.Message)
	}
	o.reset()
	for range looks {
		s.reconcile(o, "snow")
	}
	_, _, which := o.reset()
	sent := 0
	for _, w := range which {
		if strings.Contains(w, "/statefulsets/") {
			sent++
		}
	}
	if most := 5 * (shards + 1); sent > most {
		t.Errorf("%d looks sent %d StatefulSets, want %d at most", looks, sent, most)
	}
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Resources = nil })
	s.becomes("snow")
}
