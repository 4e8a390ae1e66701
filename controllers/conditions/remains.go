package conditions

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// overdueAfter is for how long a pod may be there after its end until somebody has to look at it.
// A kubelet that lives takes seconds.
const overdueAfter = time.Minute

// remaining are the nodes that are no more and of which something is there still: as long as it is,
// no pod may be evicted.
func (v *view) remaining() []remark {
	var out []remark
	for _, l := range v.Left {
		switch {
		case l.Pod == nil:
			out = append(out, remark{l.Name, "its StatefulSet"})
		case l.Pod.DeletionTimestamp == nil:
			out = append(out, remark{l.Name, "its pod"})
		default:
			out = append(out, remark{l.Name, "its pod, which is to end by " + clockTime(l.Pod)})
		}
	}
	return out
}

// overdue are those whose pods should have ended.
func (v *view) overdue() []remark {
	var out []remark
	for _, l := range v.Left {
		if l.Pod != nil && isOverdue(l.Pod, v.Now) {
			out = append(out, remark{l.Name, "it is no more, but its " + overdueText(l.Pod)})
		}
	}
	return out
}

func isOverdue(pod *corev1.Pod, now time.Time) bool {
	return pod.DeletionTimestamp != nil && now.Sub(pod.DeletionTimestamp.Time) > overdueAfter
}

func overdueText(pod *corev1.Pod) string {
	text := "pod should have ended by " + clockTime(pod)
	if pod.Spec.NodeName != "" {
		text += ", on machine " + pod.Spec.NodeName
	}
	return text
}

// clockTime is when a pod that is being deleted ends at the latest.
func clockTime(pod *corev1.Pod) string {
	return pod.DeletionTimestamp.UTC().Format(time.TimeOnly) + " UTC"
}
