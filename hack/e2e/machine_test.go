package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
)

// spare is the machine that is cut off and crashes. Only pods that tolerate that run there.
const (
	spare      = "n3"
	spareTaint = "e2e.seppen.io/spare"
	tolerant   = small + "\n  podTemplate: {spec: {tolerations: [{key: " + spareTaint + ", operator: Exists}]}}"
)

// outOfService is how a person says that a machine is shut down.
const outOfService = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute"

// setApart keeps everything else away from the spare machine.
func setApart(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	for _, command := range [][]string{
		{"wait", "--for=condition=Ready", "node/" + spare, "--timeout=10s"},
		{"taint", "node", spare, spareTaint + "=:NoExecute", "--overwrite"},
		{"rollout", "status", "--namespace", "kube-system", "deployment/coredns", "--timeout=60s"},
	} {
		if r := execute(ctx, "", "kubectl", command...); r.err != nil {
			return ctx, r.err
		}
	}
	return ctx, nil
}

// fault breaks a machine, or mends it: hack/kube/fault.sh.
func fault(t *testing.T, args ...string) {
	t.Helper()
	if r := execute(t.Context(), "", root+"/hack/kube/fault.sh", args...); r.err != nil {
		t.Fatal(r.err)
	}
}

// machineIs waits until Kubernetes calls the spare machine ready, or not.
func machineIs(t *testing.T, within time.Duration, ready corev1.ConditionStatus) {
	t.Helper()
	eventually(t, within, func() error {
		n := &corev1.Node{}
		if err := get(t.Context(), "", spare, n); err != nil {
			return err
		}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && (c.Status == corev1.ConditionTrue) == (ready == corev1.ConditionTrue) {
				return nil
			}
		}
		return fmt.Errorf("machine %s: %+v", spare, n.Status.Conditions)
	})
}

// onSpare is the one pod of a cluster that runs on the spare machine.
func (c cluster) onSpare(t *testing.T) *corev1.Pod {
	t.Helper()
	var there []*corev1.Pod
	for _, p := range c.podsNow(t) {
		if p.Spec.NodeName == spare {
			there = append(there, p)
		}
	}
	if len(there) != 1 {
		t.Fatalf("%d pods of %s are on %s", len(there), c.name, spare)
	}
	return there[0]
}

// inside is a client that is where a pod is: it reaches the pod also when nobody else does.
func inside(t *testing.T, p *corev1.Pod) *http.Client {
	network := fmt.Sprintf("/proc/%d/ns/net", processOf(t, p))
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, kind, address string) (net.Conn, error) {
			return dialIn(ctx, network, kind, address)
		},
	}}
}

type dialed struct {
	conn net.Conn
	err  error
}

// dialIn dials in a network of its own. A socket stays in the one where it was made.
func dialIn(ctx context.Context, network, kind, address string) (net.Conn, error) {
	result := make(chan dialed)
	go func() {
		// The thread is never unlocked, so it ends with this goroutine.
		runtime.LockOSThread()
		conn, err := dialFrom(ctx, network, kind, address)
		result <- dialed{conn, err}
	}()
	r := <-result
	return r.conn, r.err
}

func dialFrom(ctx context.Context, network, kind, address string) (net.Conn, error) {
	f, err := os.Open(network)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: err}
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, &net.OpError{Op: "dial", Net: kind, Err: err}
	}
	return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, kind, address)
}
