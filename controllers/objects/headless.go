package objects

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Headless gives each pod its DNS name. Pods that are not ready have theirs too: a node is
// asked for its status and its metrics before it serves.
func Headless(c *v1alpha1.SeppenCluster) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Service"},
		ObjectMeta: meta(c, HeadlessName(c), nodeLabels(c.Name)),
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true,
			SessionAffinity:          corev1.ServiceAffinityNone,
			Selector:                 Selector(c.Name),
			Ports:                    servicePorts(),
		},
	}
}
