package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

func podDeleted() *features.FeatureBuilder {
	return restart(cluster{"e2e-delete-pod", "away"}, func(t *testing.T, p *corev1.Pod) {
		kubectl(t, "delete", "pod", "--namespace", p.Namespace, p.Name)
	})
}

func processKilled() *features.FeatureBuilder {
	return restart(cluster{"e2e-kill-process", "crash"}, func(t *testing.T, p *corev1.Pod) {
		if err := syscall.Kill(processOf(t, p), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	})
}

// restart ends the process of one node of three, whose memory is lost with it. The other
// two still have a copy of all, and are the first owners of two thirds of the slots.
func restart(c cluster, end func(*testing.T, *corev1.Pod)) *features.FeatureBuilder {
	nodes := []string{c.name + "-0-169", c.name + "-85-255", c.name + "-170-84"}
	gone := nodes[1]
	stored := make(map[string]string)
	return features.New(c.namespace[len("e2e-"):]).
		Setup(c.made(small)).
		Setup(step(func(t *testing.T) {
			s := at(c.podsNow(t)[nodes[0]])
			for i := range 90 {
				key, value := fmt.Sprintf("key/%02d", i), fmt.Sprintf("value of %d in %s", i, c.name)
				s.must(t, http.StatusCreated, "PUT", "/"+key, value)
				stored[key] = value
			}
		})).
		Assess("no answer is wrong meanwhile", step(func(t *testing.T) {
			before := c.podsNow(t)[gone]
			w := watchAnswers(t, c, nodes, stored)
			end(t, before)
			eventually(t, time.Minute, func() error { return c.isBack(t.Context(), before) })
			c.says(t, 30*time.Second, "Degraded", metav1.ConditionTrue, "CopiesMissing", "1 of 2 copies left of slots 85-255", gone)
			w.stop(t)
		})).
		Assess("it is said that its memory is gone", step(func(t *testing.T) { c.saysWhatIsGone(t, gone) })).
		Assess("the pod that came back is not ready", step(func(t *testing.T) { c.isLeftOut(t, gone) })).
		Assess("every pod reads what has a living primary", step(func(t *testing.T) { c.readsTheRest(t, gone, stored) })).
		Assess("writes that need no lost owner are taken", step(func(t *testing.T) { c.writesTheRest(t, gone) }))
}

// isBack tells whether a pod's process is another one now, and runs.
func (c cluster) isBack(ctx context.Context, before *corev1.Pod) error {
	p, err := c.pod(ctx, before.Name)
	if err != nil {
		return err
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.State.Running != nil && s.ContainerID != before.Status.ContainerStatuses[0].ContainerID {
			return nil
		}
	}
	return fmt.Errorf("pod %s is not back: %+v", p.Name, p.Status.ContainerStatuses)
}

func (c cluster) saysWhatIsGone(t *testing.T, gone string) {
	c.says(t, 30*time.Second, "Ready", metav1.ConditionFalse, "SlotsUnavailable",
		"Slots 85-255 cannot be written", "slots 85-169 cannot be read", gone, "its memory is gone")
	eventually(t, 10*time.Second, func() error {
		got, err := c.get(t.Context())
		if err != nil {
			return err
		}
		if got.Status.Ready != "2/3" {
			return fmt.Errorf("%s nodes are ready", got.Status.Ready)
		}
		for _, n := range got.Status.Nodes {
			if lost := strings.Contains(n.Message, "its memory is gone"); lost != (n.Name == gone) || n.Ready == lost {
				return fmt.Errorf("of %s it says ready %t, %q", n.Name, n.Ready, n.Message)
			}
		}
		events := execute(t.Context(), "", "kubectl", "get", "events", "--namespace", c.namespace, "--field-selector=reason=NodeRestarted", "-o", "wide")
		if !strings.Contains(events.out, gone) {
			return fmt.Errorf("no event says that it restarted: %s%s", events.out, events.errors)
		}
		return nil
	})
}

// isLeftOut: clients are not sent to it.
func (c cluster) isLeftOut(t *testing.T, gone string) {
	p, err := c.pod(t.Context(), gone)
	if err != nil {
		t.Fatal(err)
	}
	if isPodReady(p) {
		t.Errorf("pod %s is ready", gone)
	}
	eventually(t, 10*time.Second, func() error {
		slices := &discoveryv1.EndpointSliceList{}
		if err := find(t.Context(), c.namespace, slices, "kubernetes.io/service-name="+c.name); err != nil {
			return err
		}
		ready := 0
		for _, s := range slices.Items {
			for _, e := range s.Endpoints {
				if e.Conditions.Ready != nil && *e.Conditions.Ready {
					ready++
					if e.TargetRef.Name == gone {
						return fmt.Errorf("Service %s leads to %s", c.name, gone)
					}
				}
			}
		}
		if ready != 2 {
			return fmt.Errorf("Service %s leads to %d pods", c.name, ready)
		}
		return nil
	})
}

// fewRefusals is how many requests that need the lost node are tried: each may take the
// second in which another node looks whether it is there.
const fewRefusals = 4

func (c cluster) readsTheRest(t *testing.T, gone string, stored map[string]string) {
	pods := c.podsNow(t)
	ring := c.ring(t, slices.Sorted(maps.Keys(pods))...)
	lost := 0
	for key, value := range stored {
		want := reply{status: http.StatusOK, body: value}
		if ring.ownersOfKey(key)[0] == gone {
			if lost++; lost > fewRefusals {
				continue
			}
			want = reply{status: http.StatusServiceUnavailable}
		}
		for name, p := range pods {
			// A node may just be finding out who is there.
			eventually(t, 15*time.Second, func() error {
				r, err := at(p).ask(t.Context(), "GET", "/"+key, "")
				if err == nil && (r.status != want.status || want.body != "" && r.body != want.body) {
					err = fmt.Errorf("%s of slot %d: %s says %d %q, not %d", key, ring.secret.KeySlot(key), name, r.status, r.body, want.status)
				}
				return err
			})
		}
	}
	if lost == 0 || lost == len(stored) {
		t.Fatalf("%d of %d keys had %s for their primary: this tests nothing", lost, len(stored), gone)
	}
	for name, p := range pods {
		if r, err := at(p).ask(t.Context(), "GET", "/", ""); err == nil && r.status == http.StatusOK {
			t.Errorf("%s lists keys as if it knew them all", name)
		}
	}
}

func (c cluster) writesTheRest(t *testing.T, gone string) {
	pods := c.podsNow(t)
	ring := c.ring(t, slices.Sorted(maps.Keys(pods))...)
	taken, refused := 0, 0
	for i := range 90 {
		key, value := fmt.Sprintf("later/%02d", i), fmt.Sprintf("later value %d", i)
		want := http.StatusCreated
		if slices.Contains(ring.ownersOfKey(key), gone) || slices.Contains(ring.ownersOfValue(value), gone) {
			if refused++; refused > fewRefusals {
				continue
			}
			want = http.StatusServiceUnavailable
		} else {
			taken++
		}
		for _, p := range pods {
			at(p).must(t, want, "PUT", "/"+key, value)
			if want == http.StatusCreated {
				want = http.StatusNoContent // the next one replaces it
			}
		}
	}
	if taken == 0 || refused == 0 {
		t.Fatalf("%d writes did without the lost node, %d needed it: this tests nothing", taken, refused)
	}
}
