package objects

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/eiri/seppen/api/v1alpha1"
)

const (
	// ContainerName is the node's container in its pod.
	ContainerName = "seppen"
	secretDir     = "/etc/seppen"
	secretFile    = "secret" // in secretDir
)

// container is the node's.
//
// It has no GOMEMLIMIT. Keys and values lie outside the Go heap; the node reads the limit
// of its cgroup, takes off what it stores and limits the heap to the rest. It leaves that
// to the variable where there is one, and one made from the container's limit would let
// the heap grow into the place of the data.
func container(c *v1alpha1.SeppenCluster, defaultImage string) corev1.Container {
	return corev1.Container{
		Name:            ContainerName,
		Image:           cmp.Or(c.Spec.Image, defaultImage),
		ImagePullPolicy: c.Spec.ImagePullPolicy,
		Args:            args(c),
		Ports:           containerPorts(),
		Resources:       resources(c),
		VolumeMounts:    []corev1.VolumeMount{{Name: secretFile, MountPath: secretDir, ReadOnly: true}},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		// A minute to start. The first probe comes at once and then one each second, so that
		// a node is seen as soon as it listens.
		StartupProbe: ending(probe("/healthz", 1, 1, 60)),
		// Slow to anger: a restart loses all that the node holds.
		LivenessProbe: ending(probe("/healthz", 10, 5, 6)),
		// Quick, as clients are sent to a node as long as it is ready.
		ReadinessProbe: probe("/readyz", 1, 2, 3),
		// Why a node ended is then in the pod's status, where the operator reads it.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		TerminationMessagePath:   corev1.TerminationMessagePathDefault,
	}
}

// args are the node's. Its name is not among them: it is the pod's hostname, the default.
func args(c *v1alpha1.SeppenCluster) []string {
	out := []string{"node", "--secret-file=" + secretDir + "/" + secretFile, "--log-format=json"}
	if most := c.Spec.ValueSizeLimit; most != nil {
		out = append(out, fmt.Sprintf("--max-value=%d", most.Value()))
	}
	if limit := c.Spec.MemoryLimit; limit != nil {
		out = append(out, fmt.Sprintf("--memory-limit=%d", limit.Value()))
	}
	return append(out, endingArgs(c)...)
}

// probe asks the admin port. Times are in seconds.
func probe(path string, period, timeout, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString(adminName), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    period,
		TimeoutSeconds:   timeout,
		FailureThreshold: failures,
		SuccessThreshold: 1,
	}
}

// ending is a probe that has the process stopped. The pod's grace period is for one that can be
// copied meanwhile: one that is stuck must not wait for the end of that.
func ending(p *corev1.Probe) *corev1.Probe {
	p.TerminationGracePeriodSeconds = new(int64(stopTime.Seconds()))
	return p
}

// secretVolume is the cluster's secret as a file, under one name whatever its key is. The
// group may read it, which is the node's.
func secretVolume(c *v1alpha1.SeppenCluster) corev1.Volume {
	ref := SecretKeyRef(c)
	return corev1.Volume{
		Name: secretFile,
		VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName:  ref.Name,
			Items:       []corev1.KeyToPath{{Key: ref.Key, Path: secretFile}},
			DefaultMode: new(int32(0o440)),
		}},
	}
}
