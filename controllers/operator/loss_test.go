package operator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// single are the nodes of three shards and one copy.
var single = []string{"snow-0-84", "snow-85-169", "snow-170-255"}

// tells waits until a cluster says that slots were lost, once, and returns what it says of
// the cause.
func (s *site) tells(slots string) string {
	s.t.Helper()
	s.says("snow", "DataLost", metav1.ConditionTrue, "SlotsGivenUp")
	lost := s.cluster("snow").Status.LostSlots
	if len(lost) != 1 || lost[0].Slots != slots || lost[0].Count < 85 || lost[0].Time.IsZero() {
		s.t.Fatalf("lost: %+v", lost)
	}
	kubetest.Eventually(s.t, func() error {
		list := &eventsv1.EventList{}
		if err := s.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		told := 0
		for i := range list.Items {
			if e := &list.Items[i]; e.Reason == "SlotsGivenUp" && e.Type == corev1.EventTypeWarning && strings.Contains(e.Note, "slots "+slots) {
				told++
			}
		}
		if told != 1 {
			return fmt.Errorf("%d events tell of it", told)
		}
		return nil
	})
	return lost[0].Cause
}

// letsIn waits until the next process of some name is a member beside the one before.
func (s *site) letsIn() {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		if l := s.layout("snow"); len(l.Members) != 4 {
			return fmt.Errorf("the next process is not let in: %+v", l.Members)
		}
		return nil
	})
}

// gauges are the operator's gauges without those of conditions, by name and phase.
func gauges(t *testing.T, o *running) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(o.Reconciler)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() == "phase" || l.GetName() == "state" {
					name += " " + l.GetValue()
				}
			}
			out[name] = m.GetGauge().GetValue()
		}
	}
	return out
}

// With one copy the end of a process is a loss, which is told until somebody has seen it.
func TestOneCopyRestarts(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.started(1)
	before := s.kubelet.Node(single[1]).Incarnation()
	s.kubelet.Crash(single[1])
	s.without(before)
	if cause := s.tells("85-169"); !strings.Contains(cause, single[1]) {
		t.Errorf("the cause: %s", cause)
	}
	s.recovers("snow", 1)
	for name, want := range map[string]float64{
		"seppen_cluster_lost_slots": 85, "seppen_cluster_missing_copies": 0,
		"seppen_cluster_members serving": 3, "seppen_cluster_members joining": 0,
	} {
		if got, ok := gauges(t, o)[name]; !ok || got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	// The traces of the loss are gone from the layout, and it is told of still.
	s.says("snow", "DataLost", metav1.ConditionTrue, "SlotsGivenUp")
	o.stop()
	o = s.operate()
	s.recovers("snow", 1)
	s.says("snow", "DataLost", metav1.ConditionTrue, "SlotsGivenUp")
	s.annotate("seppen.io/losses-seen", fmt.Sprint(s.cluster("snow").Status.LostSlots[0].Epoch))
	s.says("snow", "DataLost", metav1.ConditionFalse, "NothingLost")
	if lost := gauges(t, o)["seppen_cluster_lost_slots"]; lost != 0 || len(s.cluster("snow").Status.LostSlots) != 0 {
		t.Errorf("%v slots, %+v", lost, s.cluster("snow").Status.LostSlots)
	}
}

// A pod that is deleted as usual tells of the end of its process before it is gone.
func TestOneCopyDeleted(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.started(1)
	before := s.kubelet.Node(single[0]).Incarnation()
	s.deletePod(single[0])
	s.without(before)
	if cause := s.tells("0-84"); !strings.Contains(cause, "its container ended (exit code 0)") {
		t.Errorf("the cause: %s", cause)
	}
	s.recovers("snow", 1)
}

// The only process that has some slots is out of reach, and its pod is deleted by force.
// It is waited for, whatever else happens, until a person says that it is dead.
func TestOneCopyOutOfReach(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.started(1)
	old := s.kubelet.Cut(single[1])
	before := old.Incarnation()
	old.Freeze()
	s.says("snow", "Progressing", metav1.ConditionFalse, "ProofMissing")
	s.deletePod(single[1], client.GracePeriodSeconds(0))
	s.letsIn()
	s.stays(2)
	o.stop()
	s.operate() // one that never heard of it
	found := s.says("snow", "Progressing", metav1.ConditionFalse, "ProofMissing")
	for _, words := range []string{"85-169", single[1], before.String(), "seppen.io/presumed-dead"} {
		if !strings.Contains(found.Message, words) {
			t.Errorf("it does not tell of %s: %s", words, found.Message)
		}
	}
	s.says("snow", "Ready", metav1.ConditionFalse, "SlotsUnavailable")
	s.stays(2)
	s.annotate("seppen.io/presumed-dead", before.String())
	if cause := s.tells("85-169"); !strings.Contains(cause, "a person says so") {
		t.Errorf("the cause: %s", cause)
	}
	s.recovers("snow", 1)
	old.Thaw()
	s.recovers("snow", 1)
}

// A person cannot give up what answers or is heard of.
func TestPresumedAndAlive(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.started(2)
	var all []string
	for _, name := range ring {
		all = append(all, s.kubelet.Node(name).Incarnation().String())
	}
	s.annotate("seppen.io/presumed-dead", strings.Join(all, ","))
	s.kubelet.Node(ring[0]).Hide()
	s.says("snow", "Degraded", metav1.ConditionTrue, "NodeUnreachable")
	s.stays(1)
}

// A machine with the taint is out of service, and so is what ran there; also when its pods
// are gone by then.
func TestOutOfService(t *testing.T) {
	s := newSite(t)
	machine := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "lost-"}}
	other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "other-"}}
	for _, n := range []*corev1.Node{machine, other} {
		if err := s.Client.Create(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Client.Delete(t.Context(), n) })
	}
	first := true
	s.kubelet.Machines(func(pod string) string {
		if pod == single[2] && first {
			first = false
			return machine.Name
		}
		return other.Name
	})
	s.operate()
	s.started(1)
	old := s.kubelet.Cut(single[2])
	before := old.Incarnation()
	old.Freeze()
	s.says("snow", "Progressing", metav1.ConditionFalse, "ProofMissing")
	s.deletePod(single[2], client.GracePeriodSeconds(0))
	s.letsIn()
	s.stays(2)
	if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(machine), machine); err != nil {
		t.Fatal(err)
	}
	machine.Spec.Taints = append(machine.Spec.Taints, corev1.Taint{Key: "node.kubernetes.io/out-of-service", Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute})
	if err := s.Client.Update(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	s.without(before)
	if cause := s.tells("170-255"); !strings.Contains(cause, machine.Name+" is out of service") {
		t.Errorf("the cause: %s", cause)
	}
	s.recovers("snow", 1)
}

// A process that is given up and has not copied yet is replaced when its template is old:
// it holds nothing.
func TestJoiningIsReplaced(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.started(2)
	s.kubelet.Slow(true)
	s.kubelet.Crash(ring[1])
	joining := s.kubelet.Node(ring[1]).Incarnation()
	kubetest.Eventually(t, func() error {
		for _, m := range s.layout("snow").Members {
			if m.Incarnation == joining {
				return nil
			}
		}
		return fmt.Errorf("it is not let in: %s", tell(s.cluster("snow")))
	})
	var kept []string
	for _, name := range []string{ring[0], ring[2]} {
		kept = append(kept, s.kubelet.Node(name).Incarnation().String())
	}
	s.kubelet.Slow(false)
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = "seppen:other" })
	s.without(joining)
	kubetest.Eventually(t, func() error {
		if c := s.cluster("snow"); !meta.IsStatusConditionFalse(c.Status.Conditions, "Degraded") {
			return fmt.Errorf("%s", tell(c))
		}
		return nil
	})
	p := &corev1.Pod{}
	if err := s.Client.Get(t.Context(), s.key(ring[1]), p); err != nil || p.Spec.Containers[0].Image != "seppen:other" {
		t.Errorf("%v, %+v", err, p.Spec.Containers)
	}
	for i, name := range []string{ring[0], ring[2]} {
		if s.kubelet.Node(name).Incarnation().String() != kept[i] {
			t.Errorf("%s was restarted", name)
		}
	}
}
