package objects

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// spread keeps copies apart: one machine's end must not be that of all copies of a slot.
// The user's constraints take the place of ours, also where there are none in the list.
func spread(c *v1alpha1.SeppenCluster) []corev1.TopologySpreadConstraint {
	selector := &metav1.LabelSelector{MatchLabels: Selector(c.Name)}
	user := placement(c).TopologySpreadConstraints
	if user == nil {
		return defaultSpread(selector)
	}
	var out []corev1.TopologySpreadConstraint
	for i := range *user {
		constraint := (*user)[i].DeepCopy()
		if constraint.LabelSelector == nil {
			constraint.LabelSelector = selector.DeepCopy()
		}
		out = append(out, *constraint)
	}
	return out
}

// defaultSpread spreads pods evenly over machines, strictly, and over zones, if possible, each
// among those of its own template: older ones are about to go.
func defaultSpread(selector *metav1.LabelSelector) []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{
		{
			TopologyKey:       corev1.LabelHostname,
			MaxSkew:           1,
			WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector:     selector.DeepCopy(),
			MatchLabelKeys:    []string{RevisionLabel},
			// A machine that no pod may use, such as one of the control plane or one that is
			// drained, would else count as empty, and the pods would wait for it for ever.
			NodeTaintsPolicy: new(corev1.NodeInclusionPolicyHonor),
		},
		{
			TopologyKey:       corev1.LabelTopologyZone,
			MaxSkew:           1,
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     selector.DeepCopy(),
			MatchLabelKeys:    []string{RevisionLabel},
		},
	}
}
