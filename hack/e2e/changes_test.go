package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/eiri/seppen/api/layout"
)

// changeTime is how long one change of a small cluster may take on a busy machine.
const changeTime = 2 * time.Minute

// comesTo waits until a cluster has the nodes of a shape and is whole.
func (c cluster) comesTo(t *testing.T, shards, copies int) []string {
	t.Helper()
	want, err := layout.Names("x", shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []string
	eventually(t, changeTime, func() error {
		l, err := c.layout(t.Context())
		if err != nil {
			return err
		}
		nodes = nil
		ranges := make(map[layout.Range]bool)
		for _, m := range l.Members {
			nodes = append(nodes, m.Name.String())
			ranges[m.Name.Range] = true
		}
		for _, w := range want {
			if !ranges[w.Range] {
				return fmt.Errorf("layout %d has no node %s, but %v", l.Epoch, w.Range, nodes)
			}
		}
		if len(nodes) != len(want) {
			return fmt.Errorf("layout %d has %v", l.Epoch, nodes)
		}
		return c.whole(t.Context(), nodes, nil)
	})
	return nodes
}

// patch changes a cluster's spec.
func (c cluster) patch(t *testing.T, spec string) {
	t.Helper()
	kubectl(t, "patch", "seppencluster", c.name, "--namespace", c.namespace, "--type=merge", "-p", `{"spec":`+spec+`}`)
}

// under starts clients in the first step, and judges in the last one.
func (c cluster) under(f *features.FeatureBuilder, s **steady) *features.FeatureBuilder {
	return f.
		Setup(step(func(t *testing.T) { *s = startSteady(t, c) })).
		Teardown(step(func(t *testing.T) {
			if *s != nil {
				(*s).stop(t)
			}
		}))
}

// scaled: shards and copies come and go, with one copy too, and with a change of mind.
func scaled() *features.FeatureBuilder {
	c := cluster{"e2e-scaled", "s"}
	var clients *steady
	to := func(what string, shards, copies int, do func(t *testing.T)) features.Func {
		return step(func(t *testing.T) {
			clients.during(t, what, func() {
				do(t)
				c.comesTo(t, shards, copies)
			})
		})
	}
	scale := func(n int) func(t *testing.T) {
		return func(t *testing.T) {
			kubectl(t, "scale", "seppencluster", c.name, "--namespace", c.namespace, fmt.Sprintf("--replicas=%d", n))
		}
	}
	copies := func(n int) func(t *testing.T) {
		return func(t *testing.T) { c.patch(t, fmt.Sprintf(`{"copies":%d}`, n)) }
	}
	return c.under(features.New("scaled").Setup(c.made(small+"\n  shards: 1\n  copies: 1")), &clients).
		Assess("1 shard becomes 3", to("1 shard becomes 3", 3, 1, scale(3))).
		Assess("3 become 5", to("3 become 5", 5, 1, scale(5))).
		Assess("5 become 2", to("5 become 2", 2, 1, scale(2))).
		Assess("1 copy becomes 2", to("1 copy becomes 2", 2, 2, copies(2))).
		Assess("2 become 3", to("2 become 3", 2, 3, copies(3))).
		Assess("3 become 1", to("3 become 1", 2, 1, copies(1))).
		Assess("a change of mind", to("a change of mind", 2, 1, func(t *testing.T) {
			scale(4)(t)
			c.says(t, 30*time.Second, "Progressing", metav1.ConditionTrue, "Scaling")
			time.Sleep(2 * time.Second)
			scale(2)(t)
		}))
}

// replaced: nodes with one copy are replaced, one after the other or because somebody
// deleted a pod, and an image that never starts does no harm.
func replaced() *features.FeatureBuilder {
	c := cluster{"e2e-replaced", "r"}
	var clients *steady
	var before []string
	isNew := func(t *testing.T, nodes []string) {
		t.Helper()
		for _, n := range nodes {
			if slices.Contains(before, n) {
				t.Errorf("%s was not replaced", n)
			}
		}
		before = nodes
	}
	return c.under(features.New("replaced").Setup(c.made(small+"\n  shards: 2\n  copies: 1")), &clients).
		Setup(step(func(t *testing.T) { before = c.comesTo(t, 2, 1) })).
		Assess("a new image rolls all nodes", step(func(t *testing.T) {
			clients.during(t, "a roll", func() {
				c.patch(t, fmt.Sprintf(`{"image":"docker.io/library/%s"}`, image))
				eventually(t, changeTime, func() error {
					for name, p := range c.podsNow(t) {
						if !strings.HasPrefix(p.Spec.Containers[0].Image, "docker.io/") {
							return fmt.Errorf("%s runs %s", name, p.Spec.Containers[0].Image)
						}
					}
					return nil
				})
				isNew(t, c.comesTo(t, 2, 1))
			})
		})).
		Assess("a pod that is deleted leaves nothing behind", step(func(t *testing.T) {
			clients.during(t, "kubectl delete pod", func() {
				kubectl(t, "delete", "pod", before[0], "--namespace", c.namespace)
				nodes := c.comesTo(t, 2, 1)
				if slices.Contains(nodes, before[0]) {
					t.Errorf("%s is still there", before[0])
				}
				before = nodes
			})
		})).
		Assess("an image that cannot be had changes nothing, and is put right", step(func(t *testing.T) {
			clients.during(t, "a bad image and back", func() {
				c.patch(t, `{"image":"registry.invalid/seppen:none"}`)
				c.says(t, time.Minute, "Progressing", metav1.ConditionFalse, "ImagePull", "registry.invalid/seppen:none")
				c.says(t, time.Second, "Ready", metav1.ConditionTrue, "Serving")
				c.patch(t, fmt.Sprintf(`{"image":"docker.io/library/%s"}`, image))
				if nodes := c.comesTo(t, 2, 1); !slices.Equal(slices.Sorted(slices.Values(nodes)), slices.Sorted(slices.Values(before))) {
					t.Errorf("the nodes are %v, they were %v", nodes, before)
				}
			})
		}))
}

// drained: kubectl drain takes a machine out of service by itself, also with one copy.
func drained() *features.FeatureBuilder {
	one, two := cluster{"e2e-drained", "one"}, cluster{"e2e-drained", "two"}
	var first, second *steady
	f := features.New("drained").
		Setup(one.made(tolerant + "\n  shards: 3\n  copies: 1")).
		Setup(step(func(t *testing.T) {
			two.apply(t, tolerant)
			two.isReady(t)
		}))
	return two.under(one.under(f, &first), &second).
		Assess("a person can see what would be lost", step(func(t *testing.T) {
			got, err := one.get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range got.Status.Nodes {
				if n.SafeToDelete || !strings.Contains(n.SafeToDeleteReason, "one copy") {
					t.Errorf("%s: %t %s", n.Name, n.SafeToDelete, n.SafeToDeleteReason)
				}
			}
			eventually(t, 20*time.Second, func() error {
				got, err := two.get(t.Context())
				if err != nil {
					return err
				}
				for _, n := range got.Status.Nodes {
					if !n.SafeToDelete {
						return fmt.Errorf("%s: %s", n.Name, n.SafeToDeleteReason)
					}
				}
				return nil
			})
		})).
		Assess("a machine is drained", step(func(t *testing.T) {
			one.onSpare(t)
			two.onSpare(t)
			second.during(t, "a drain, two copies", func() {
				first.during(t, "a drain, one copy", func() {
					kubectl(t, "drain", spare, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=150s",
						"--pod-selector=app.kubernetes.io/component=node")
					one.comesTo(t, 3, 1)
					two.comesTo(t, 3, 2)
				})
			})
			for _, c := range []cluster{one, two} {
				for name, p := range c.podsNow(t) {
					if p.Spec.NodeName == spare {
						t.Errorf("%s is still on %s", name, spare)
					}
				}
			}
		})).
		Teardown(step(func(t *testing.T) { kubectl(t, "uncordon", spare) }))
}
