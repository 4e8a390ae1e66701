package fakekubelet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/controllers/internal/fakenode"
)

// Hold keeps pods of a name from being started, or lets them.
func (k *Kubelet) Hold(name string, held bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[name] = held
}

// Slow has processes that start from now on not get on with copying, until they are let.
func (k *Kubelet) Slow(slow bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.slow = slow
}

// Machines has pods that start from now on bound to machines.
func (k *Kubelet) Machines(of func(pod string) string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.on = of
}

// Nodes are all processes that ever ran.
func (k *Kubelet) Nodes() []*fakenode.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]*fakenode.Node(nil), k.all...)
}

// Crash ends the process in a pod and starts another in its place, as the kubelet
// restarts a container. The API server hears of it afterwards.
func (k *Kubelet) Crash(name string) {
	k.t.Helper()
	k.change(name, func(p *pod) {
		p.node.Stop()
		p.node = k.start(name, p.node.Address, k.secret())
		p.restarts++
	})
}

// Fail ends the process in a pod for good, as one that crashes again and again.
func (k *Kubelet) Fail(name string) {
	k.t.Helper()
	k.change(name, func(p *pod) {
		p.node.Stop()
		p.node = nil
		p.restarts++
	})
}

// change does something to a pod and tells the API server.
func (k *Kubelet) change(name string, do func(*pod)) {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pod(name)
	if p == nil || p.node == nil {
		k.t.Errorf("no process runs in pod %s", name)
		return
	}
	do(p)
	if err := k.tell(context.Background(), p); err != nil {
		k.t.Error(err)
	}
}

// Cut takes the machine of a pod out of the kubelet's reach and returns the process in it,
// which goes on whatever becomes of the pod.
func (k *Kubelet) Cut(name string) *fakenode.Node {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pod(name)
	if p == nil || p.node == nil {
		k.t.Fatalf("no process runs in pod %s", name)
	}
	p.cut = true
	return p.node
}

// tell writes a pod's status. Its container ran as often as it was restarted, and once more.
func (k *Kubelet) tell(ctx context.Context, p *pod) error {
	now := &corev1.Pod{}
	if err := k.client.Get(ctx, client.ObjectKeyFromObject(p.object), now); err != nil || now.UID != p.object.UID {
		return client.IgnoreNotFound(err)
	}
	p.object = now
	s := &now.Status.ContainerStatuses[0]
	s.RestartCount = p.restarts
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: 1, Reason: "Error", ContainerID: fmt.Sprintf("fake://%s-%d", p.ip, p.restarts), FinishedAt: metav1.Now(),
	}}
	s.LastTerminationState = ended
	s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	if p.node != nil {
		s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
	}
	return k.client.Status().Update(ctx, now)
}
