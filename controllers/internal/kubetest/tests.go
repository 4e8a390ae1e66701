package kubetest

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patience is how long Eventually waits.
const patience = time.Minute

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Namespace makes a namespace for one test. Where controllers run it is deleted after
// the test, with all that is in it.
func (k *Kube) Namespace(t testing.TB) string {
	t.Helper()
	prefix := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix[:min(len(prefix), 50)] + "-"}}
	if err := k.Client.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Client.Delete(context.WithoutCancel(t.Context()), n); err != nil {
			t.Error(err)
		}
	})
	return n.Name
}

// Run runs kubectl with stdin and returns what it printed. The error holds what it
// printed to stderr.
func (k *Kube) Run(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.Kubectl, append([]string{"--kubeconfig", k.Kubeconfig}, args...)...)
	// kubectl keeps what it learned of the API in a cache at home.
	cmd.Env = append(cmd.Environ(), "KUBECACHEDIR="+k.Kubeconfig+".cache")
	cmd.Stdin = strings.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out.String(), nil
}

// MustRun is Run for a command that must succeed.
func (k *Kube) MustRun(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, err := k.Run(t, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Eventually waits until check finds nothing wrong.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still after %s: %s", patience, err)
		}
		<-tick.C
	}
}
