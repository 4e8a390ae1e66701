package objects

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The ports that nodes listen on; they are the defaults of the node's flags.
const (
	RESTPort  int32 = 21285
	PeerPort  int32 = 21286
	AdminPort int32 = 21287
)

// Their names in pods, by which Services and probes find them.
const (
	restName  = "rest"
	peerName  = "peer"
	adminName = "admin"
)

var ports = [...]struct {
	name string
	port int32
}{{restName, RESTPort}, {peerName, PeerPort}, {adminName, AdminPort}}

// containerPorts are all ports of a node. The protocol is written out, as it is part of
// what server-side apply knows a port by.
func containerPorts() []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, p := range ports {
		out = append(out, corev1.ContainerPort{Name: p.name, ContainerPort: p.port, Protocol: corev1.ProtocolTCP})
	}
	return out
}

// servicePorts are the same ports behind a Service.
func servicePorts() []corev1.ServicePort {
	var out []corev1.ServicePort
	for _, p := range ports {
		out = append(out, corev1.ServicePort{
			Name: p.name, Port: p.port, TargetPort: intstr.FromString(p.name), Protocol: corev1.ProtocolTCP,
		})
	}
	return out
}
