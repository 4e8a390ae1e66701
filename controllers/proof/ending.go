// Package proof says of which processes it is proven that they ended (F19). Silence is no
// proof, nor is a refused connection, a pod that is gone or a machine that is not ready.
package proof

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/eiri/seppen/controllers/objects"
)

// Ending is the end of one container, as its kubelet reported it.
type Ending struct {
	Container string // which of the containers that ran in the pod one after the other
	Words     string // how it ended
}

// EndOf is the last end of a node's container that a pod's status tells of, be there
// another container by now or not; nil: none.
func EndOf(pod *corev1.Pod) *Ending {
	s := process(pod)
	if s == nil {
		return nil
	}
	t, run := s.State.Terminated, s.RestartCount+1
	if t == nil {
		t, run = s.LastTerminationState.Terminated, s.RestartCount
	}
	if t == nil {
		return nil
	}
	// A kubelet that lost a container does not know its ID.
	return &Ending{Container: cmp.Or(t.ContainerID, fmt.Sprint("run ", run)), Words: words(t)}
}

func words(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed" {
		text += ", " + t.Reason
	}
	return text
}

// Stopped tells whether a pod's status says that a container ran and none does.
func Stopped(pod *corev1.Pod) bool {
	s := process(pod)
	return s != nil && s.State.Running == nil && EndOf(pod) != nil
}

// Over is the end of the last container that a pod will ever have, nil as long as there
// may be another one. A kubelet gives a pod such a phase when all its containers have
// stopped for good. The phase alone is no proof: the pod collector gives it too, to pods
// of machines that are lost.
func Over(pod *corev1.Pod) *Ending {
	s := process(pod)
	if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed || s == nil || s.State.Terminated == nil {
		return nil
	}
	collected := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Reason == "DeletionByPodGC"
	})
	if collected {
		return nil
	}
	return EndOf(pod)
}

// process is the status of the node's container, not of one that somebody put beside it.
func process(pod *corev1.Pod) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if s := &pod.Status.ContainerStatuses[i]; s.Name == objects.ContainerName {
			return s
		}
	}
	return nil
}
