package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// machines are two. Pods whose range begins with slot 85 or 128 come to the second one, until
// that is cordoned.
func (s *site) machines() (second string) {
	s.t.Helper()
	first, second := s.namespace+"-1", s.namespace+"-2"
	for _, name := range []string{first, second} {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := s.Client.Create(s.t.Context(), n); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { _ = s.Client.Delete(context.Background(), n) })
	}
	s.kubelet.Machines(func(pod string) string {
		if (strings.Contains(pod, "-85-") || strings.Contains(pod, "-128-")) && !s.isCordoned(second) {
			return second
		}
		return first
	})
	return second
}

func (s *site) isCordoned(machine string) bool {
	n := &corev1.Node{}
	return s.Client.Get(context.Background(), client.ObjectKey{Name: machine}, n) == nil && n.Spec.Unschedulable
}

func (s *site) cordon(machine string) {
	s.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"unschedulable":true}}`))
	if err := s.Client.Patch(s.t.Context(), n, patch); err != nil {
		s.t.Fatal(err)
	}
}

// drain does what kubectl drain does after it has cordoned a machine: it evicts each pod there
// is, again and again until it may and the pod is gone. It tells how often it was refused.
func (s *site) drain(machine string) (refused int) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		left := slices.DeleteFunc(s.running(), func(p corev1.Pod) bool { return p.Spec.NodeName != machine })
		for i := range left {
			if left[i].DeletionTimestamp != nil {
				continue
			}
			err := s.Client.SubResource("eviction").Create(s.t.Context(), &left[i], &policyv1.Eviction{})
			switch {
			case apierrors.IsTooManyRequests(err):
				refused++
			case client.IgnoreNotFound(err) != nil:
				return err
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d pods are left, such as %s; %s", len(left), left[0].Name, tell(s.cluster("snow")))
		}
		return nil
	})
	return refused
}

// A machine is drained. The only copy of something is moved while the drain waits; of two
// copies one goes at once, and waits until it is let go.
func TestDrain(t *testing.T) {
	for copies, ends := range map[int32]string{1: "85-169", 2: "85-255"} {
		t.Run(fmt.Sprint(copies, " copies"), func(t *testing.T) {
			s := newSite(t)
			s.kubelet.Graceful()
			machine := s.machines()
			s.operate()
			watch := s.watch("snow")
			s.create("snow", shape(3, copies))
			s.becomes("snow")
			s.allows(copies - 1)
			s.cordon(machine)
			refused := s.drain(machine)
			if copies == 1 && refused == 0 {
				t.Error("the only copy was evicted")
			}
			c := s.becomes("snow")
			if c.Status.Nodes[1].Name != "snow-r1-"+ends || len(c.Status.LostSlots) > 0 {
				t.Errorf("%+v", c.Status)
			}
			watch.check()
		})
	}
}

// allows waits until Kubernetes lets so many pods be evicted.
func (s *site) allows(pods int32) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		b := &policyv1.PodDisruptionBudget{}
		if err := s.Client.Get(s.t.Context(), s.key("snow"), b); err != nil {
			return err
		}
		if b.Status.DisruptionsAllowed != pods || b.Status.ObservedGeneration != b.Generation {
			return fmt.Errorf("%d of at least %d are healthy, %d may go", b.Status.CurrentHealthy, b.Status.DesiredHealthy, b.Status.DisruptionsAllowed)
		}
		return nil
	})
}

// A cordon is seen without anybody saying so, and the node moves although nobody evicts it.
func TestCordon(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	machine := s.machines()
	s.operate()
	s.create("snow", shape(3, 1))
	s.becomes("snow")
	s.kubelet.Slow(true)
	began := time.Now()
	s.cordon(machine)
	found := s.says("snow", "Progressing", metav1.ConditionTrue, "Draining")
	if !strings.Contains(found.Message, "snow-85-169: serves until then, its machine is being emptied") {
		t.Errorf("it says %q", found.Message)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s to be seen", took)
	}
	s.allows(0)
	// Somebody changes their mind about the machine.
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: machine}}
	if err := s.Client.Patch(t.Context(), n, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"unschedulable":null,"taints":null}}`))); err != nil {
		t.Fatal(err)
	}
	if c := s.becomes("snow"); c.Status.Nodes[1].Name != "snow-85-169" {
		t.Errorf("%+v", c.Status.Nodes)
	}
}

// Nodes hear of the limit for copying, which does not hold while one has to be copied in time.
func TestTransferLimit(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) {
		shape(3, 1)(spec)
		spec.Transfer = &v1alpha1.TransferSpec{MaxBytesPerSecond: new(resource.MustParse("1Mi"))}
	})
	s.becomes("snow")
	s.limit("snow-0-84", 1<<20)
	pods := s.running()
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) {
		spec.Transfer.MaxBytesPerSecond = new(resource.MustParse("2Mi"))
	})
	s.limit("snow-0-84", 2<<20)
	s.kubelet.Slow(true)
	s.deletePod("snow-85-169")
	s.limit("snow-0-84", 16<<20)
	kubetest.Eventually(t, func() error {
		if n := s.kubelet.Node("snow-r1-85-169"); n != nil {
			n.Hold(false)
			return nil
		}
		return errors.New("it does not run")
	})
	s.becomes("snow")
	s.limit("snow-0-84", 2<<20)
	for _, p := range s.running() {
		same := slices.ContainsFunc(pods, func(q corev1.Pod) bool { return q.UID == p.UID })
		if !same && p.Name != "snow-r1-85-169" {
			t.Errorf("%s is new", p.Name)
		}
	}
}

func (s *site) limit(node string, want int64) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		told := s.kubelet.Node(node).Settings()
		if len(told) == 0 || told[len(told)-1].TransferBytesPerSecond != want {
			return fmt.Errorf("%s was told %v", node, told)
		}
		return nil
	})
}

// When a cluster is deleted nobody waits until others have what they hold.
func TestDissolved(t *testing.T) {
	for name, opts := range map[string][]client.DeleteOption{
		"in the background": {client.PropagationPolicy(metav1.DeletePropagationBackground)},
		"in the foreground": {client.PropagationPolicy(metav1.DeletePropagationForeground)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.kubelet.Graceful()
			s.operate()
			c := s.create("snow", shape(3, 1))
			s.becomes("snow")
			if err := s.Client.Delete(t.Context(), c, opts...); err != nil {
				t.Fatal(err)
			}
			s.gone("") // much earlier than their grace period
		})
	}
}

// Who deletes the resource alone keeps what was made for it, with its data.
func TestOrphaned(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	s.operate()
	c := s.create("snow", shape(3, 1))
	s.becomes("snow")
	if err := s.Client.Delete(t.Context(), c, client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, func() error {
		if err := s.Client.Get(t.Context(), s.key("snow"), c); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there still: %w", err)
		}
		return nil
	})
	time.Sleep(time.Second) // in which the nodes would be told
	for _, n := range s.kubelet.Nodes() {
		if n.LetGo() {
			t.Errorf("%s was told to end", n.Name)
		}
	}
}
