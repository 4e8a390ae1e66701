package controllers

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// overdueAfter is for how long a pod may be there after its end, or may not answer after it was
// told to end, for its node to be taken for one that does not come back soon.
const overdueAfter = 30 * time.Second

// overdue tells whether a pod that is being deleted should be gone by now. A process that holds
// nothing ends soon after it was told to, unless it is stuck: then it is killed only at the end
// of its grace period, which is long.
func (w *world) overdue(pod *corev1.Pod) bool {
	end := pod.DeletionTimestamp.Time // of the grace period
	told := end
	if grace := pod.DeletionGracePeriodSeconds; grace != nil {
		told = end.Add(-time.Duration(*grace) * time.Second)
	}
	s := w.sights[pod.Name]
	answers := s != nil && s.Status != nil && s.Pod == string(pod.UID)
	return w.now.Sub(end) > overdueAfter || !answers && w.now.Sub(told) > overdueAfter
}
