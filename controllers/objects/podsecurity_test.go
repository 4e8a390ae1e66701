package objects

import (
	"testing"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// TestRestricted asks the code of the API server's own admission.
func TestRestricted(t *testing.T) {
	restricted, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, file := range clusters {
		t.Run(name, func(t *testing.T) {
			c := readCluster(t, file)
			for _, n := range nodes(t, c) {
				template := StatefulSet(c, n, testImage).Spec.Template
				for _, result := range restricted.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
					if !result.Allowed {
						t.Errorf("%s: %s: %s", n, result.ForbiddenReason, result.ForbiddenDetail)
					}
				}
			}
		})
	}
}
