package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/e2e-framework/pkg/features"
)

// evictions are what kubectl drain asks for. It goes on as long as a copy is left.
func evictions() *features.FeatureBuilder {
	one, two := cluster{"e2e-evict", "one"}, cluster{"e2e-evict", "two"}
	return features.New("evictions").
		Setup(one.made(small+"\n  shards: 1\n  copies: 1")).
		Setup(step(func(t *testing.T) {
			two.apply(t, small)
			two.isReady(t)
		})).
		Assess("the only copy is not evicted", step(func(t *testing.T) { one.refusesEviction(t, "one-0-255") })).
		Assess("one of two copies is, and then no other", step(func(t *testing.T) {
			eventually(t, 20*time.Second, func() error { return two.evict(t, "two-0-169").err })
			two.refusesEviction(t, "two-85-255")
			two.refusesEviction(t, "two-170-84")
		}))
}

func (c cluster) evict(t *testing.T, pod string) result {
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pod, c.namespace)
	return execute(t.Context(), eviction, "kubectl", "create", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", c.namespace, pod), "-f", "-")
}

// refusesEviction: by its budget, and not because the budget was not looked at yet.
func (c cluster) refusesEviction(t *testing.T, pod string) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		switch r := c.evict(t, pod); {
		case r.err == nil:
			t.Fatalf("%s was evicted", pod)
		case !strings.Contains(r.errors, "TooManyRequests") || !strings.Contains(r.errors, "violate the pod's disruption budget"):
			return r.err
		}
		return nil
	})
}
