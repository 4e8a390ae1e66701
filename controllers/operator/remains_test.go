package operator

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// The API server does not let old StatefulSets be deleted. It is said, and that not all is done.
func TestDeletesAreForbidden(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	o := s.operate()
	s.create("snow", shape(3, 1))
	s.becomes("snow")
	o.forbid("/statefulsets/snow-170")
	s.edit("snow", shape(2, 1))
	if c := s.says("snow", "Progressing", metav1.ConditionFalse, "ApplyFailed"); !strings.Contains(c.Message, "snow-170") {
		t.Errorf("it says %s", c.Message)
	}
	o.forbid("")
	s.says("snow", "Progressing", metav1.ConditionFalse, "Complete")
	s.becomes("snow")
}

// The machine of an old node dies when others have taken over, and its pod stays: the change is not
// done until that is gone.
func TestOldPodStays(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.create("snow", shape(3, 1))
	s.becomes("snow")
	s.kubelet.Cut("snow-0-84")
	s.edit("snow", shape(2, 1))
	kubetest.Eventually(t, func() error {
		c := s.says("snow", "Progressing", metav1.ConditionTrue, "Scaling")
		if !strings.HasPrefix(c.Message, "Left of what went: snow-0-84: its pod, ") {
			return errors.New(c.Message)
		}
		return nil
	})
	s.deletePod("snow-0-84", client.GracePeriodSeconds(0))
	s.says("snow", "Progressing", metav1.ConditionFalse, "Complete")
}
