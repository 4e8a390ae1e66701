package objects

import (
	"fmt"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// HeadlessName is the name of the Service that gives pods their DNS names.
func HeadlessName(c *v1alpha1.SeppenCluster) string { return c.Name + "-nodes" }

// LayoutName is the name of the ConfigMap with the layout.
func LayoutName(c *v1alpha1.SeppenCluster) string { return c.Name + "-layout" }

// secretName is the name of the Secret that the operator makes.
func secretName(c *v1alpha1.SeppenCluster) string { return c.Name + "-secret" }

// SecretKeyRef says where the cluster's secret is: what the user named, or the one that
// the operator makes.
func SecretKeyRef(c *v1alpha1.SeppenCluster) v1alpha1.SecretReference {
	if c.Spec.SecretRef != nil {
		return *c.Spec.SecretRef
	}
	return v1alpha1.SecretReference{Name: secretName(c), Key: v1alpha1.DefaultSecretKey}
}

// Host is the DNS name of a node's pod inside the Kubernetes cluster. The domain at its
// end is left out: it is the Kubernetes cluster's own, and resolvers add it.
func Host(c *v1alpha1.SeppenCluster, n layout.Name) string {
	return fmt.Sprintf("%s.%s.%s.svc", n, HeadlessName(c), c.Namespace)
}
