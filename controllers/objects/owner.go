package objects

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Owner makes an object go with the cluster, and tells whose it is. A foreground deletion
// of the cluster waits until it has gone.
func Owner(c *v1alpha1.SeppenCluster) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion:         v1alpha1.GroupVersion.String(),
		Kind:               v1alpha1.Kind,
		Name:               c.Name,
		UID:                c.UID,
		Controller:         new(true),
		BlockOwnerDeletion: new(true),
	}
}

// meta is the metadata of an object of the cluster.
func meta(c *v1alpha1.SeppenCluster, name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       c.Namespace,
		Labels:          labels,
		OwnerReferences: []metav1.OwnerReference{Owner(c)},
	}
}
