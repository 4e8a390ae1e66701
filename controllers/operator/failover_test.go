package operator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/fakenode"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// recovers waits until a cluster of three nodes is as it should be: each slot has so many
// serving owners, who are the processes that run now, and all have the layout.
func (s *site) recovers(name string, copies int) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		l := s.layout(name)
		for slot := range layout.Slots {
			if o := layout.NewTable(l).Owners(uint8(slot)); len(o.Serving) != copies || len(o.Ack) != copies || o.Loss != 0 {
				return fmt.Errorf("layout %d: slot %d has %d owners, %d of them serve; %s", l.Epoch, slot, len(o.Ack), len(o.Serving), tell(s.cluster(name)))
			}
		}
		for i := range l.Members {
			m := &l.Members[i]
			if n := s.kubelet.Node(m.Name.String()); n == nil || n.Incarnation() != m.Incarnation || n.Layout() == nil || n.Layout().Hash() != l.Hash() {
				return fmt.Errorf("layout %d: not the process that runs as %s, or it does not have it; %s", l.Epoch, m.Name, tell(s.cluster(name)))
			}
		}
		c := s.cluster(name)
		complete := meta.FindStatusCondition(c.Status.Conditions, "Progressing").Reason == "Complete"
		if !complete || !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") || !meta.IsStatusConditionFalse(c.Status.Conditions, "Degraded") {
			return errors.New(tell(c))
		}
		return nil
	})
}

// agreed sees that there never were two layouts of one epoch, and that each follows the one
// before it.
func (s *site) agreed() {
	s.t.Helper()
	hashes := make(map[uint64][32]byte)
	for _, n := range s.kubelet.Nodes() {
		for _, l := range n.Layouts() {
			if h, known := hashes[l.Epoch]; known && h != l.Hash() {
				s.t.Errorf("there were two layouts of epoch %d", l.Epoch)
			}
			hashes[l.Epoch] = l.Hash()
		}
	}
}

// listedDead tells whether a node was ever given a layout that lists an incarnation as dead.
func (s *site) listedDead(id layout.ID) bool {
	return slices.ContainsFunc(s.kubelet.Nodes(), func(n *fakenode.Node) bool {
		return slices.ContainsFunc(n.Layouts(), func(l *layout.Layout) bool { return slices.Contains(l.Dead, id) })
	})
}

// without waits until an incarnation is no member.
func (s *site) without(id layout.ID) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		if l := s.layout("snow"); layout.NewTable(l).Member(id) != nil {
			return fmt.Errorf("%s is a member in layout %d; %s", id, l.Epoch, tell(s.cluster("snow")))
		}
		return nil
	})
}

// started makes a cluster and waits until it serves.
func (s *site) started(copies int32) {
	s.t.Helper()
	s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Copies = new(copies) })
	s.serving("snow")
}

func (s *site) deletePod(name string, opts ...client.DeleteOption) {
	s.t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	if err := s.Client.Delete(s.t.Context(), p, opts...); err != nil {
		s.t.Fatal(err)
	}
}

// annotate says something about a cluster as a person does.
func (s *site) annotate(key, value string) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		c := s.cluster("snow")
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, key, value)
		return s.Client.Update(s.t.Context(), c)
	})
}

// stays sees that the layout is the same for a while in which anything that silence could
// lead to has happened.
func (s *site) stays(epoch uint64) {
	s.t.Helper()
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if l := s.layout("snow"); l.Epoch != epoch {
			s.t.Fatalf("layout %d was followed by layout %d: %+v", epoch, l.Epoch, l)
		}
	}
}

// A process that ends is proven dead, others take over at once, and the next one copies
// what it held.
func TestRestart(t *testing.T) {
	for what, restart := range map[string]func(*site){
		"container":       func(s *site) { s.kubelet.Crash(ring[1]) },
		"pod":             func(s *site) { s.deletePod(ring[1]) },
		"container twice": func(s *site) { s.kubelet.Crash(ring[1]); s.kubelet.Crash(ring[1]) },
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			s.operate()
			s.started(2)
			before := s.kubelet.Node(ring[1]).Incarnation()
			restart(s)
			s.without(before)
			s.recovers("snow", 2)
			if !s.listedDead(before) {
				t.Error("it was not proven to be dead")
			}
			if c := s.cluster("snow"); len(c.Status.LostSlots) > 0 || c.Status.MissingCopies != 0 {
				t.Errorf("status %+v", c.Status)
			}
			s.agreed()
		})
	}
}

// The pod of a process on a machine that is out of reach is deleted by force. That proves
// nothing, but others have all that it had.
func TestForcedPod(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.started(2)
	old := s.kubelet.Cut(ring[1])
	before := old.Incarnation()
	old.Freeze()
	s.deletePod(ring[1], client.GracePeriodSeconds(0))
	s.without(before)
	s.recovers("snow", 2)
	if s.listedDead(before) {
		t.Error("it was taken for dead")
	}
	old.Thaw()
	s.recovers("snow", 2)
	s.agreed()
}

// A node that stands still for a while is done without. When it goes on it finds that it
// is no member, and begins anew.
func TestFrozen(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.started(2)
	n := s.kubelet.Node(ring[0])
	before := n.Incarnation()
	n.Freeze()
	kubetest.Eventually(t, func() error {
		if c := s.cluster("snow"); s.layout("snow").Epoch < 2 || !meta.IsStatusConditionTrue(c.Status.Conditions, "Ready") {
			return errors.New(tell(c))
		}
		return nil
	})
	if s.listedDead(before) {
		t.Error("it was taken for dead")
	}
	found := s.says("snow", "Degraded", metav1.ConditionTrue, "CopiesMissing")
	if !strings.Contains(found.Message, "Slots 0-169 have 1 of 2 copies.") || !strings.Contains(found.Message, ring[0]) {
		t.Errorf("it says %s", found.Message)
	}
	n.Thaw()
	s.recovers("snow", 2)
	if n.Incarnation() == before {
		t.Error("it goes on as the same")
	}
	s.quiet(o)
	s.agreed()
}

// A node that does not answer the operator, and of which the others hear, is left alone.
func TestHidden(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.started(2)
	n := s.kubelet.Node(ring[2])
	before := n.Incarnation()
	n.Hide()
	found := s.says("snow", "Degraded", metav1.ConditionTrue, "NodeUnreachable")
	if !strings.Contains(found.Message, "other nodes hear it") {
		t.Errorf("it says %s", found.Message)
	}
	s.says("snow", "Ready", metav1.ConditionUnknown, "NotAsked")
	s.stays(1)
	n.Thaw()
	s.recovers("snow", 2)
	if l := s.layout("snow"); l.Epoch != 1 || n.Incarnation() != before {
		t.Errorf("layout %d", l.Epoch)
	}
}

// The operator may be killed between any two writes of a failover, or in the middle of one,
// and the next one goes on with it.
func TestKilledDuringFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	t.Parallel()
	for name, lose := range map[string]bool{"with answers": false, "without answers": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			killedDuringFailover(t, lose)
		})
	}
}

// killedDuringFailover: the answer of the last write is lost as well, or not.
func killedDuringFailover(t *testing.T, lose bool) {
	t.Helper()
	s := newSite(t)
	first := s.operate()
	s.started(2)
	s.quiet(first)
	first.stop()
	finished := false
	for n := 1; !finished && n < 40; n++ {
		name := ring[n%len(ring)]
		before := s.kubelet.Node(name).Incarnation()
		s.kubelet.Crash(name)
		killed := s.operate(func(tr *traffic) { tr.most, tr.lose = n, lose })
		kubetest.Eventually(t, func() error {
			killed.mu.Lock()
			defer killed.mu.Unlock()
			l := s.layout("snow")
			whole := layout.NewTable(l).Member(before) == nil && len(l.Members) == 3 && len(l.Dead) == 0 && s.cluster("snow").Status.MissingCopies == 0
			finished = killed.writes < n && whole && l.Epoch == uint64(s.cluster("snow").Status.Epoch)
			if killed.writes < n && !finished {
				return fmt.Errorf("%d writes of %d", killed.writes, n)
			}
			return nil
		})
		killed.stop()
		next := s.operate()
		s.without(before)
		s.recovers("snow", 2)
		s.quiet(next)
		next.stop()
		s.agreed()
		if c := s.cluster("snow"); len(c.Status.LostSlots) > 0 {
			t.Errorf("lost: %+v", c.Status.LostSlots)
		}
		if t.Failed() {
			t.Fatalf("killed at write %d, %t", n, lose)
		}
		t.Logf("killed at write %d (its answer lost: %t): layout %d", n, lose, s.layout("snow").Epoch)
	}
}
