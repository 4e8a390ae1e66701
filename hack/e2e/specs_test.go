package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// badSpecs is what people see who made a mistake, and that they can put it right.
func badSpecs() *features.FeatureBuilder {
	const namespace = "e2e-specs"
	gap, secretless := cluster{namespace, "gap"}, cluster{namespace, "secretless"}
	unpulled, homeless := cluster{namespace, "unpulled"}, cluster{namespace, "homeless"}
	return features.New("bad specs").
		Setup(step(func(t *testing.T) {
			makeNamespace(t, namespace)
			// Each of these takes a while to be found out.
			gap.apply(t, "  ranges: [gap-0-99, gap-120-255]")
			secretless.apply(t, small+"\n  secretRef: {name: own}")
			unpulled.apply(t, small+"\n  image: registry.invalid/seppen:none\n  shards: 1\n  copies: 1")
			homeless.apply(t, small+"\n  podTemplate: {spec: {nodeSelector: {e2e.seppen.io/machine: none}}}\n  shards: 1\n  copies: 1")
		})).
		Assess("the API server refuses", step(func(t *testing.T) { refusals(t, namespace) })).
		Assess("ranges with a gap", step(func(t *testing.T) {
			gap.says(t, 30*time.Second, "Progressing", metav1.ConditionFalse, "InvalidSpec", "100-119")
			gap.says(t, 10*time.Second, "Ready", metav1.ConditionFalse, "Stopped", "100-119")
			if pods := gap.podsNow(t); len(pods) > 0 {
				t.Errorf("it has pods: %v", pods)
			}
		})).
		Assess("a Secret that is not there, until it is", step(func(t *testing.T) {
			secretless.says(t, 30*time.Second, "Progressing", metav1.ConditionFalse, "SecretNotFound", "own")
			kubectl(t, "create", "secret", "generic", "own", "--namespace", namespace, "--from-literal=secret=of our own")
			secretless.isReady(t)
			// The Secret that was named is the one in use.
			put := secretless.forward(t, "service/secretless").must(t, 201, "PUT", "/a", "value")
			if got, want := put.header.Get("ETag"), etagOf([]byte("of our own"), "value"); got != want {
				t.Errorf("the ETag is %s, not %s", got, want)
			}
		})).
		Assess("an image that cannot be had, until it is put right", step(func(t *testing.T) {
			unpulled.says(t, time.Minute, "Progressing", metav1.ConditionFalse, "ImagePull", "registry.invalid/seppen:none")
			kubectl(t, "patch", "seppencluster", "unpulled", "--namespace", namespace, "--type=merge", "-p", fmt.Sprintf(`{"spec":{"image":%q}}`, image))
			unpulled.isReady(t)
		})).
		Assess("a machine that nobody has, until it is put right", step(func(t *testing.T) {
			homeless.says(t, 30*time.Second, "Progressing", metav1.ConditionFalse, "Unschedulable", "homeless-0-255", "node affinity")
			kubectl(t, "patch", "seppencluster", "homeless", "--namespace", namespace, "--type=merge", "-p", `{"spec":{"podTemplate":null}}`)
			homeless.isReady(t)
		}))
}

func refusals(t *testing.T, namespace string) {
	long := strings.Repeat("a", 41)
	for _, c := range []struct{ what, name, spec, says string }{
		{"no shards", "none", "  shards: 0", "spec.shards in body should be greater than or equal to 1"},
		{"too many shards", "many", "  shards: 257", "spec.shards in body should be less than or equal to 256"},
		{"too many copies", "many", "  copies: 9", "spec.copies in body should be less than or equal to 8"},
		{"a long name", long, "  shards: 1", "the name is too long, at most 40 characters"},
		{"a name with a dot", "a.b", "  shards: 1", "the name must be lower-case letters, digits and dashes"},
		{"a range beyond the ring", "wide", "  ranges: [a-0-256]", "spec.ranges[0]"},
		{"no range at all", "odd", "  ranges: [a-0]", "spec.ranges[0]"},
		{"ranges and shards", "both", "  ranges: [a-0-255]\n  shards: 4", "ranges takes the place of shards and copies"},
		{"a misspelt field", "typo", "  shard: 4", "unknown field \"spec.shard\""},
	} {
		r := execute(t.Context(), cluster{namespace, c.name}.manifest(c.spec), "kubectl", "apply", "--namespace", namespace, "-f", "-")
		if r.err == nil {
			t.Errorf("%s: kubectl says %s", c.what, r.out)
		} else if !strings.Contains(r.errors, c.says) {
			t.Errorf("%s: kubectl does not say %q: %s", c.what, c.says, r.errors)
		}
	}
}
