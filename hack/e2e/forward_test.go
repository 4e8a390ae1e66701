package e2e

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

var forwardingTo = regexp.MustCompile(`^Forwarding from (127\.0\.0\.1:\d+) -> `)

// portForward runs kubectl port-forward to a pod or a Service for as long as the test, and
// returns where it listens.
func portForward(t *testing.T, namespace, to, port string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTime)
	cmd := exec.CommandContext(ctx, "kubectl", "port-forward", "--namespace", namespace, to, ":"+port)
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := forwardingTo.FindStringSubmatch(lines.Text()); m != nil {
			// It says a line for each connection, and would stop if nobody read them.
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return m[1]
		}
	}
	t.Fatalf("kubectl port-forward to %s in %s did not begin to listen", to, namespace)
	return ""
}

// forward is a way to the REST interface for people outside of Kubernetes.
func (c cluster) forward(t *testing.T, to string) store {
	t.Helper()
	return store{url: "http://" + portForward(t, c.namespace, to, "21285")}
}
