package objects

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Evictable is how many of so many nodes may be evicted at a time, while none of them comes or
// goes: one, but not where a slot has one copy only. Such a node is moved from a machine that
// is cordoned, while whoever drains it waits. copies are those of the slot that has the fewest.
func Evictable(copies int) int {
	if copies > 1 {
		return 1
	}
	return 0
}

// DisruptionBudget lets no pod be evicted if fewer than so many would be ready then.
//
// A pod that is not ready is not free for the taking: it may be a node that was cut off,
// and hold the last copy of a slot. IfHealthyBudget evicts it only while enough others
// are ready; AlwaysAllow would evict it at any time.
//
// It says how many must stay, not how many may go: for the latter Kubernetes counts
// only those StatefulSets that have a pod, so the budget would grow while something, such
// as a quota, keeps an evicted pod from being made again.
func DisruptionBudget(c *v1alpha1.SeppenCluster, stay int) *policyv1.PodDisruptionBudget {
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
