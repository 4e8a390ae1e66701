package conditions

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// cause is what Kubernetes says about a node that is not there.
type cause struct{ reason, detail string }

// A kubelet calls these so (pkg/kubelet/images, pkg/kubelet/kuberuntime).
var waitingCauses = map[string]string{
	"ErrImagePull":      ImagePull,
	"ImagePullBackOff":  ImagePull,
	"InvalidImageName":  ImagePull,
	"ErrImageNeverPull": ImagePull,
	"ImageInspectError": ImagePull,

	"CreateContainerConfigError": PodConfig,
	"CreateContainerError":       PodConfig,
	"RunContainerError":          PodConfig,
}

const crashLoop = "CrashLoopBackOff"

// calm is how long a container must have run for its earlier exits to be forgotten. It
// is what the kubelet takes too.
const calm = 10 * time.Minute

// causeOf finds what keeps a pod from running, nil if nothing is known to. What its
// process went through before it served is no matter.
func causeOf(pod *corev1.Pod, serves bool, now time.Time) *cause {
	if pod == nil || pod.DeletionTimestamp != nil {
		return nil
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if c := containerCause(pod, &s, serves, now); c != nil {
			c.detail = clip(c.detail, maxDetail)
			return c
		}
	}
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return &cause{Unschedulable, clip(cmp.Or(c.Message, "the scheduler does not say why"), maxDetail)}
		}
	}
	return nil
}

func containerCause(pod *corev1.Pod, s *corev1.ContainerStatus, serves bool, now time.Time) *cause {
	if w := s.State.Waiting; w != nil {
		switch reason := waitingCauses[w.Reason]; reason {
		case ImagePull:
			return &cause{ImagePull, fmt.Sprintf("image %q: %s", imageOf(pod, s), cmp.Or(w.Message, w.Reason))}
		case PodConfig:
			return &cause{PodConfig, cmp.Or(w.Message, w.Reason)}
		}
	}
	if crashing(s, now) && (s.State.Running == nil || !serves) {
		return &cause{PodCrashing, "ended with " + exitOf(lastExit(s))}
	}
	return nil
}

// imageOf is what the spec asks for: a kubelet may name the same image otherwise.
func imageOf(pod *corev1.Pod, s *corev1.ContainerStatus) string {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == s.Name && c.Image != "" {
			return c.Image
		}
	}
	return s.Image
}

// crashing tells whether a container ends again and again. One that is running at the
// moment and has ended twice, each time soon, counts: else the condition would change
// at each of its attempts.
func crashing(s *corev1.ContainerStatus, now time.Time) bool {
	if s.State.Waiting != nil {
		return s.State.Waiting.Reason == crashLoop
	}
	exits, last := s.RestartCount, lastExit(s)
	if s.State.Terminated != nil {
		exits++
	}
	if last == nil || exits < 2 {
		return false
	}
	return last.FinishedAt.Sub(last.StartedAt.Time) < calm && now.Sub(last.FinishedAt.Time) < calm
}

func lastExit(s *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if s.State.Terminated != nil {
		return s.State.Terminated
	}
	return s.LastTerminationState.Terminated
}

// exitOf is "exit code 137, OOMKilled", with what the process left to be said.
func exitOf(t *corev1.ContainerStateTerminated) string {
	if t == nil {
		return "an unknown exit code"
	}
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" && t.Reason != "Error" {
		text += ", " + t.Reason
	}
	if said := lastWords(t.Message); said != "" {
		text += ": " + said
	}
	return clip(text, maxDetail)
}

// process is the status of the container that the node runs in, not of one that was
// put beside it; nil if there is none yet.
func process(pod *corev1.Pod) *corev1.ContainerStatus {
	if pod == nil {
		return nil
	}
	name := pod.Annotations[defaultContainer]
	if name == "" && len(pod.Spec.Containers) > 0 {
		name = pod.Spec.Containers[0].Name
	}
	for i := range pod.Status.ContainerStatuses {
		if s := &pod.Status.ContainerStatuses[i]; s.Name == name {
			return s
		}
	}
	return nil
}

// defaultContainer says which container a pod is there for. Those who put containers
// into other people's pods, some before ours, set it.
const defaultContainer = "kubectl.kubernetes.io/default-container"

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// stage is how far a node has come whose process does not answer.
func (n *Node) stage() string {
	switch {
	case n.Pod != nil || n.Earlier == nil:
		return stage(n.Pod)
	case n.Earlier.DeletionTimestamp == nil:
		return "no pod, as another one has its name"
	}
	return "no pod, as an earlier one of its name is still ending, until " + clockTime(n.Earlier) + " at most"
}

// stage is how far a pod has come whose process does not answer.
func stage(pod *corev1.Pod) string {
	switch {
	case pod == nil:
		return "no pod"
	case pod.DeletionTimestamp != nil:
		return "its pod is being deleted"
	case ended(pod):
		return "its pod ended" + because(pod.Status.Reason, pod.Status.Message)
	}
	s := process(pod)
	switch {
	case s != nil && s.State.Terminated != nil:
		return "its process ended (" + exitOf(s.State.Terminated) + ")"
	case s != nil && s.State.Waiting != nil:
		return "its pod is being started" + because(s.State.Waiting.Reason, s.State.Waiting.Message)
	case pod.Status.Phase != corev1.PodRunning:
		return "its pod is pending"
	}
	return "its process does not answer yet"
}

func because(reason, message string) string {
	switch {
	case reason == "" && message == "":
		return ""
	case message == "":
		return " (" + reason + ")"
	case reason == "":
		return " (" + clip(message, maxDetail) + ")"
	}
	return " (" + reason + ": " + clip(message, maxDetail) + ")"
}
