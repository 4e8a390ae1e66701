package objects

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What the labels of all objects say.
const (
	AppName           = "seppen"
	Manager           = "seppen-operator"
	NodeComponent     = "node"
	OperatorComponent = "operator"

	// NodeLabel has a pod's own node name: it makes a StatefulSet's selector match only
	// its pod.
	NodeLabel = "seppen.io/node"
)

// Kubernetes' recommended labels.
const (
	nameLabel      = "app.kubernetes.io/name"
	instanceLabel  = "app.kubernetes.io/instance"
	componentLabel = "app.kubernetes.io/component"
	managerLabel   = "app.kubernetes.io/managed-by"
)

// Labels are those of every object of a cluster.
func Labels(cluster string) map[string]string {
	return map[string]string{nameLabel: AppName, instanceLabel: cluster, managerLabel: Manager}
}

// Selector selects the pods of all nodes of a cluster.
func Selector(cluster string) map[string]string {
	return map[string]string{nameLabel: AppName, instanceLabel: cluster, componentLabel: NodeComponent}
}

// IsOf tells whether an object that the operator made is labelled as a cluster's.
func IsOf(cluster string, o metav1.Object) bool { return o.GetLabels()[instanceLabel] == cluster }

// nodeLabels are those of what is about the nodes themselves, and not about their clients.
func nodeLabels(cluster string) map[string]string {
	return union(Labels(cluster), Selector(cluster))
}

// union is a new map of all that is in the maps; what comes later wins.
func union(all ...map[string]string) map[string]string {
	out := make(map[string]string)
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}
