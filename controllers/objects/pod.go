package objects

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// nobody is whom nodes run as: the image's own user, that of distroless images.
const nobody = 65532

// podMeta is the metadata of a node's pod. Labels that we set win, or a user's label
// could take a pod out of its Services.
func podMeta(c *v1alpha1.SeppenCluster, n layout.Name) metav1.ObjectMeta {
	var user v1alpha1.PodMetadata
	if t := c.Spec.PodTemplate; t != nil && t.Metadata != nil {
		user = *t.Metadata
	}
	return metav1.ObjectMeta{
		Labels: union(user.Labels, nodeLabels(c.Name), map[string]string{NodeLabel: n.String()}),
		// Others, such as a service mesh, may put containers of theirs first.
		Annotations: union(user.Annotations, map[string]string{"kubectl.kubernetes.io/default-container": ContainerName}),
	}
}

// podSpec is what a node's pod runs: the same for all nodes of a cluster, as a node
// reads its name, and so its range, from its hostname. It fits the Pod Security profile
// "restricted".
func podSpec(c *v1alpha1.SeppenCluster, defaultImage string) corev1.PodSpec {
	where := placement(c).DeepCopy()
	return corev1.PodSpec{
		Containers:                    []corev1.Container{container(c, defaultImage)},
		Volumes:                       []corev1.Volume{secretVolume(c)},
		RestartPolicy:                 corev1.RestartPolicyAlways,
		DNSPolicy:                     corev1.DNSClusterFirst,
		TerminationGracePeriodSeconds: new(int64(grace(c).Seconds())),
		// Nodes do not use the Kubernetes API, and who breaks into one gets no token for it.
		AutomountServiceAccountToken: new(false),
		// Else each Service of the namespace is in the environment, among them SEPPEN_* of a
		// Service called seppen; the node's flags can be set by such variables.
		EnableServiceLinks: new(false),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   new(true),
			RunAsUser:      new(int64(nobody)),
			RunAsGroup:     new(int64(nobody)),
			FSGroup:        new(int64(nobody)),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		ImagePullSecrets:          slices.Clone(c.Spec.ImagePullSecrets),
		NodeSelector:              where.NodeSelector,
		Affinity:                  where.Affinity,
		Tolerations:               tolerations(c),
		TopologySpreadConstraints: spread(c),
		PriorityClassName:         where.PriorityClassName,
		ServiceAccountName:        where.ServiceAccountName,
	}
}

// placement is what the user says about where pods may run.
func placement(c *v1alpha1.SeppenCluster) *v1alpha1.PodPlacement {
	if t := c.Spec.PodTemplate; t != nil && t.Spec != nil {
		return t.Spec
	}
	return &v1alpha1.PodPlacement{}
}
