package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// usual are the controllers that matter to what a SeppenCluster is made of. Without
// pod-garbage-collector-controller: it would delete pods that a test says run on a
// machine that does not exist.
var usual = []string{
	"statefulset-controller",
	"garbage-collector-controller",
	"endpointslice-controller",
	"disruption-controller",
	"serviceaccount-controller",
	"root-ca-certificate-publisher-controller",
	"namespace-controller",
	"horizontal-pod-autoscaler-controller",
}

// manager is a running kube-controller-manager.
type manager struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
}

func startManager(dir, kubeconfig string, controllers []string) (*manager, error) {
	path, err := program(dir, "kube-controller-manager")
	if err != nil {
		return nil, err
	}
	m := &manager{log: path + ".log", done: make(chan struct{})}
	log, err := os.Create(m.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	pki := filepath.Join(dir, "pki")
	// It serves nothing, so it needs no port. Its default of 20 requests a second makes
	// tests wait.
	m.cmd = exec.Command(path,
		"--kubeconfig="+kubeconfig,
		"--controllers="+strings.Join(controllers, ","),
		"--leader-elect=false",
		"--secure-port=0",
		"--root-ca-file="+filepath.Join(pki, "apiserver.crt"),
		"--service-account-private-key-file="+filepath.Join(pki, "sa-signer.key"),
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--horizontal-pod-autoscaler-sync-period=1s",
	)
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(m.done)
		_ = m.cmd.Wait() // it is killed in the end; an earlier one is reported with its log
	}()
	return m, nil
}

// await waits until the controllers work.
func (m *manager) await(c client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// One of them makes this for each namespace.
		if c.Get(ctx, types.NamespacedName{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{}) == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-m.done:
			return fmt.Errorf("kube-controller-manager ended:\n%s", tail(m.log))
		case <-ctx.Done():
			return fmt.Errorf("kube-controller-manager does nothing:\n%s", tail(m.log))
		}
	}
}

func (m *manager) stop() error {
	select {
	case <-m.done:
		return fmt.Errorf("kube-controller-manager ended by itself:\n%s", tail(m.log))
	default:
	}
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop kube-controller-manager: %w", err)
	}
	select {
	case <-m.done:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(errors.New("kube-controller-manager does not stop"), m.cmd.Process.Kill())
	}
}
