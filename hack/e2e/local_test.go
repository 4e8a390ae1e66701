package e2e

import (
	"bufio"
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"syscall"
	"time"

	"sigs.k8s.io/e2e-framework/pkg/features"
)

// localNames: a cluster without Kubernetes has the nodes that it would have there.
func localNames() *features.FeatureBuilder {
	return features.New("seppen local").
		Assess("has nodes of the same names", step(func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, binary, "local", "-f", sample, "--port=22285", "--memory-limit=16MiB")
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = 20 * time.Second
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var names []string
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != "ready" {
				if word, _, _ := strings.Cut(lines.Text(), " "); strings.HasPrefix(word, "sample-") {
					names = append(names, word)
				}
			}
			cancel()
			_ = cmd.Wait() // it was told to end
			if !slices.Equal(names, sampleNodes) {
				t.Errorf("it has the nodes %q", names)
			}
		}))
}
