package fakekubelet

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Graceful has processes of deleted pods told to stop, and ended when they are let go or when
// their time is up, as processes do that have duties. Else they end at once.
func (k *Kubelet) Graceful() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.graceful = true
}

// waits tells whether a deleted pod's process still runs.
func (k *Kubelet) waits(p *corev1.Pod) bool {
	run := k.pods[p.UID]
	if !k.graceful || run == nil || run.node == nil {
		return false
	}
	run.node.End()
	return !run.node.LetGo() && time.Now().Before(p.DeletionTimestamp.Time)
}
