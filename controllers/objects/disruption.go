package objects

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eiri/seppen/api/v1alpha1"
)

// DisruptionBudget lets one pod at a time be evicted, and none where a slot has only one
// copy: with it the data would go. copies are those of the slot that has the fewest.
//
// A pod that is not ready is not free for the taking: it may be a node that was cut off,
// and hold the last copy of a slot. IfHealthyBudget evicts it only while enough others
// are ready; AlwaysAllow would evict it at any time.
//
// It says how many must stay, not how many may go: for the latter Kubernetes counts
// only those StatefulSets that have a pod, so the budget would grow while something, such
// as a quota, keeps an evicted pod from being made again.
func DisruptionBudget(c *v1alpha1.SeppenCluster, nodes, copies int) *policyv1.PodDisruptionBudget {
	stay := nodes
	if copies > 1 {
		stay--
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: meta(c, c.Name, nodeLabels(c.Name)),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable:               new(intstr.FromInt(stay)),
			Selector:                   &metav1.LabelSelector{MatchLabels: Selector(c.Name)},
			UnhealthyPodEvictionPolicy: new(policyv1.IfHealthyBudget),
		},
	}
}
