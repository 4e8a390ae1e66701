// Package fakekubelet runs the pods of a test namespace where there are no machines: the
// StatefulSet controller makes them, and here each gets an address of the loopback range,
// a fake node on its peer port, and a status. Real kubelets are tested end to end in
// hack/e2e.
package fakekubelet

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/controllers/internal/fakenode"
)

// BadImage never starts.
const BadImage = "registry.invalid/no/such:image"

// Kubelet runs all pods of a namespace.
type Kubelet struct {
	t         testing.TB
	client    client.Client
	namespace string
	port      int32
	secret    func() string

	mu   sync.Mutex
	pods map[types.UID]*pod
	held map[string]bool // names of pods that are not to start
	slow bool            // new processes do not get on with copying
	all  []*fakenode.Node

	graceful bool                    // see Graceful
	on       func(pod string) string // the machine for a pod
}

// pod is one that was started, be it there still or not.
type pod struct {
	name     string
	node     *fakenode.Node // nil: no process runs
	ip       string
	restarts int32
	cut      bool // its machine is out of reach
	object   *corev1.Pod
}

// addresses are of all kubelets of a process; processes differ in the second byte, so
// that test binaries that run side by side do not meet.
var addresses atomic.Uint32

// Start runs pods until the test ends. Nodes listen on the given port; the secret is
// asked for when a pod starts, "" being that it cannot yet.
func Start(t testing.TB, c client.Client, namespace string, port int32, secret func() string) *Kubelet {
	t.Helper()
	k := &Kubelet{t: t, client: c, namespace: namespace, port: port, secret: secret, pods: make(map[types.UID]*pod), held: make(map[string]bool)}
	k.on = func(string) string { return "machine" }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			k.sync(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return k
}

// Node is the process in the pod of this name that is within reach, nil if none runs.
func (k *Kubelet) Node(name string) *fakenode.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.pod(name); p != nil {
		return p.node
	}
	return nil
}

func (k *Kubelet) pod(name string) *pod {
	for _, p := range k.pods {
		if p.name == name && !p.cut {
			return p
		}
	}
	return nil
}

func (k *Kubelet) sync(ctx context.Context) {
	list := &corev1.PodList{}
	if err := k.client.List(ctx, list, client.InNamespace(k.namespace)); err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	there := make(map[types.UID]bool)
	for i := range list.Items {
		p := &list.Items[i]
		there[p.UID] = true
		var err error
		switch {
		case k.pods[p.UID] != nil && k.pods[p.UID].cut:
		case !p.DeletionTimestamp.IsZero() && k.waits(p):
		case !p.DeletionTimestamp.IsZero():
			err = k.stop(ctx, p)
		case k.pods[p.UID] == nil && !k.held[p.Name]:
			err = k.begin(ctx, p)
		}
		if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			k.t.Errorf("pod %s: %v", p.Name, err)
		}
	}
	for uid, p := range k.pods {
		if !there[uid] && !p.cut {
			k.end(uid)
		}
	}
}

// stop ends a pod that was deleted: its process, then it is told that it ended, and then
// the pod is gone.
func (k *Kubelet) stop(ctx context.Context, p *corev1.Pod) error {
	k.end(p.UID)
	if len(p.Status.ContainerStatuses) > 0 {
		s := &p.Status.ContainerStatuses[0]
		s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", ContainerID: "fake://last", FinishedAt: metav1.Now()}}
		p.Status.Phase = corev1.PodSucceeded
		if err := k.client.Status().Update(ctx, p); err != nil {
			return err
		}
	}
	return k.client.Delete(ctx, p, client.GracePeriodSeconds(0), client.Preconditions{UID: &p.UID})
}

func (k *Kubelet) end(uid types.UID) {
	if p := k.pods[uid]; p != nil && p.node != nil {
		p.node.Stop()
	}
	delete(k.pods, uid)
}

func (k *Kubelet) begin(ctx context.Context, p *corev1.Pod) error {
	status := corev1.ContainerStatus{Name: p.Spec.Containers[0].Name, Image: p.Spec.Containers[0].Image}
	p.Status.Phase = corev1.PodPending
	run := &pod{name: p.Name, object: p}
	secret := k.secret()
	switch {
	case p.Spec.Containers[0].Image == BadImage:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"}
	case secret == "":
		return nil // the kubelet waits for the volume
	default:
		n := addresses.Add(1)
		run.ip = fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, n/250, 1+n%250)
		if err := k.bind(ctx, p); err != nil {
			return err
		}
		run.node = k.start(p.Name, fmt.Sprintf("%s:%d", run.ip, k.port), secret)
		started := true
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.Now()}
		status.Ready, status.Started = true, &started
		p.Status.Phase, p.Status.PodIP, p.Status.PodIPs = corev1.PodRunning, run.ip, []corev1.PodIP{{IP: run.ip}}
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	k.pods[p.UID] = run
	err := k.client.Status().Update(ctx, p)
	if err != nil {
		k.end(p.UID) // and once more at the next look
	}
	return err
}

// start runs a process.
func (k *Kubelet) start(name, address, secret string) *fakenode.Node {
	n := fakenode.Start(k.t, name, address, secret)
	n.Hold(k.slow)
	k.all = append(k.all, n)
	return n
}

// bind says on which machine a pod runs, as the scheduler does. A pod that is bound to none
// would be gone as soon as it is deleted.
func (k *Kubelet) bind(ctx context.Context, p *corev1.Pod) error {
	if p.Spec.NodeName != "" {
		return nil
	}
	b := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: k.on(p.Name)}}
	if err := k.client.SubResource("binding").Create(ctx, p, b); err != nil {
		return err
	}
	return k.client.Get(ctx, client.ObjectKeyFromObject(p), p)
}
