package objects

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// lostSeconds is for how long a machine that is lost, or not ready, keeps its pods. Kubernetes'
// own five minutes are long for a copy that is missing.
const lostSeconds = 30

// tolerations are the user's, and ours for what they say nothing about.
func tolerations(c *v1alpha1.SeppenCluster) []corev1.Toleration {
	var out []corev1.Toleration
	for _, t := range placement(c).Tolerations {
		out = append(out, *t.DeepCopy())
	}
	for _, key := range []string{corev1.TaintNodeUnreachable, corev1.TaintNodeNotReady} {
		if !slices.ContainsFunc(out, func(t corev1.Toleration) bool { return isAbout(t, key) }) {
			out = append(out, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(lostSeconds)),
			})
		}
	}
	return out
}

// isAbout tells whether a toleration says for how long a machine with a taint keeps a pod.
func isAbout(t corev1.Toleration, key string) bool {
	all := t.Key == "" && t.Operator == corev1.TolerationOpExists
	return (t.Key == key || all) && (t.Effect == "" || t.Effect == corev1.TaintEffectNoExecute)
}
