package objects

import (
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// StatefulSet runs one node. Its first ordinal is the last slot of the node's range, so
// its only pod has the node's name.
//
// The selector has the node's name in it and can never be changed. So a StatefulSet cannot
// become that of another node with the same first slot, at which Kubernetes would delete
// the pod and the data in it: the API server refuses that.
func StatefulSet(c *v1alpha1.SeppenCluster, n layout.Name, defaultImage string) *appsv1.StatefulSet {
	own := map[string]string{NodeLabel: n.String()}
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "StatefulSet"},
		ObjectMeta: meta(c, v1alpha1.StatefulSetName(n), union(nodeLabels(c.Name), own)),
		Spec: appsv1.StatefulSetSpec{
			Replicas:            new(int32(1)),
			Ordinals:            &appsv1.StatefulSetOrdinals{Start: int32(n.Range.Hi)},
			ServiceName:         HeadlessName(c),
			Selector:            &metav1.LabelSelector{MatchLabels: union(Selector(c.Name), own)},
			PodManagementPolicy: appsv1.ParallelPodManagement,
			// A new template must not restart a pod: its memory is the only place of its data.
			// Another node takes its place (docs/changes.md).
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType},
			RevisionHistoryLimit: new(int32(2)),
			Template:             template(c, n, defaultImage),
		},
	}
}

// NodeOf is the name of the node that a StatefulSet is of, empty if it is of none. It stands in
// the selector, which nobody can change.
func NodeOf(set *appsv1.StatefulSet) string {
	if set.Spec.Selector == nil {
		return ""
	}
	return set.Spec.Selector.MatchLabels[NodeLabel]
}
