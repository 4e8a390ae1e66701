package objects

import (
	"cmp"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Client is the Service that clients use: any ready node answers for all keys.
func Client(c *v1alpha1.SeppenCluster) *corev1.Service {
	var user v1alpha1.ServiceSpec
	if c.Spec.Service != nil {
		user = *c.Spec.Service
	}
	m := meta(c, c.Name, Labels(c.Name))
	m.Annotations = maps.Clone(user.Annotations)
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Service"},
		ObjectMeta: m,
		Spec: corev1.ServiceSpec{
			Type:            cmp.Or(user.Type, v1alpha1.DefaultServiceType),
			SessionAffinity: corev1.ServiceAffinityNone,
			Selector:        Selector(c.Name),
			Ports: []corev1.ServicePort{{
				Name:        "http",
				Port:        cmp.Or(user.Port, v1alpha1.DefaultServicePort),
				TargetPort:  intstr.FromString(restName),
				Protocol:    corev1.ProtocolTCP,
				AppProtocol: new("http"),
			}},
		},
	}
}
