package objects

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eiri/seppen/api/v1alpha1"
)

// NetworkPolicy keeps the peer port to the cluster's own pods and the operator. The
// handshake there asks for the secret in any case; this keeps strangers from trying. The
// operator's namespace may be empty: then its pods may be in any.
func NetworkPolicy(c *v1alpha1.SeppenCluster, operatorNamespace string) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: meta(c, c.Name, nodeLabels(c.Name)),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: Selector(c.Name)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{
					Ports: policyPorts(PeerPort),
					From: []networkingv1.NetworkPolicyPeer{
						{PodSelector: &metav1.LabelSelector{MatchLabels: Selector(c.Name)}},
						operator(operatorNamespace),
					},
				},
				{Ports: policyPorts(RESTPort, AdminPort)},
			},
		},
	}
}

// operator selects the operator's pods.
func operator(namespace string) networkingv1.NetworkPolicyPeer {
	in := &metav1.LabelSelector{} // an empty one selects every namespace, nil only the policy's own
	if namespace != "" {
		in.MatchLabels = map[string]string{corev1.LabelMetadataName: namespace}
	}
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: in,
		PodSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{nameLabel: AppName, componentLabel: OperatorComponent},
		},
	}
}

// policyPorts are numbers, not names: not every network plugin knows a pod's port names.
func policyPorts(ports ...int32) []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	for _, p := range ports {
		out = append(out, networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(p))})
	}
	return out
}
