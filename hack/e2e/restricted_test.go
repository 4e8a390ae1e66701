package e2e

import (
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/features"
)

// restrictedNamespace is a cluster where only what fits the Pod Security Standard
// "restricted" may run.
func restrictedNamespace() *features.FeatureBuilder {
	c := cluster{"e2e-restricted", "strict"}
	return features.New("restricted namespace").
		Setup(step(func(t *testing.T) {
			makeNamespace(t, c.namespace, "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
		})).
		Assess("a cluster starts there without a warning", step(func(t *testing.T) {
			if warnings := c.apply(t, small); warnings != "" {
				t.Errorf("kubectl apply warns: %s", warnings)
			}
			c.isReady(t)
			if log := kubectl(t, "logs", "--namespace", operatorNamespace, "deployment/"+operatorName); strings.Contains(log, "would violate PodSecurity") {
				t.Error("the operator was warned: see its log")
			}
		})).
		Assess("the operator would fit too", step(func(t *testing.T) {
			// A namespace that is given the standard is looked through, with a warning for
			// each pod that does not fit.
			r := execute(t.Context(), "", "kubectl", "label", "--overwrite", "--dry-run=server", "namespace", operatorNamespace,
				"pod-security.kubernetes.io/enforce=restricted")
			if r.err != nil || r.errors != "" {
				t.Errorf("%v %s", r.err, r.errors)
			}
		}))
}
