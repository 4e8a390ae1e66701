package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/features"
)

// plugin is kubectl's, as people use it: they put the binary under its other name into PATH.
func plugin() *features.FeatureBuilder {
	c := cluster{"e2e-plugin", "drawn"}
	var path string
	seppen := func(t *testing.T, args ...string) result {
		return execute(t.Context(), "", "env", append([]string{path, "kubectl", "seppen", "-n", c.namespace}, args...)...)
	}
	return features.New("kubectl seppen").
		Setup(c.made(small+"\n  shards: 2\n  copies: 1")).
		Setup(step(func(t *testing.T) { path = pluginPath(t) })).
		Assess("status draws the ring", step(func(t *testing.T) {
			tells(t, seppen(t, "status"), 0, "drawn in e2e-plugin: 2/2 nodes ready", "drawn-0-127 ", "drawn-128-255 ", "Safe to delete")
			tells(t, seppen(t, "status", "-o", "json"), 0, `"primary": "drawn-0-127"`)
		})).
		Assess("drain-check knows the last copies", step(func(t *testing.T) {
			tells(t, seppen(t, "drain-check", "drawn-0-127"), 1, "0-127 has one copy")
			tells(t, seppen(t, "drain-check", "nowhere"), 2, "neither a pod nowhere")
		})).
		Assess("scale says what comes, and waits for it", step(func(t *testing.T) {
			tells(t, seppen(t, "scale", "--copies=9"), 1, "the API server refuses it: spec.copies")
			tells(t, seppen(t, "scale", "--copies=2", "--wait", "--timeout=2m"), 0, "2 nodes come", "2 nodes go", "Complete")
			c.isWhole(t, backTime, []string{"drawn-r1-0-255", "drawn-r1-128-127"})
			tells(t, seppen(t, "drain-check", "drawn-r1-0-255"), 0, "Nothing would be lost")
		})).
		Assess("restart replaces all nodes, and waits for that", step(func(t *testing.T) {
			tells(t, seppen(t, "restart", "drawn", "--wait", "--timeout=2m"), 0, "2 nodes are replaced", "Complete")
			eventually(t, backTime, func() error {
				for name := range c.podsNow(t) {
					if strings.HasPrefix(name, "drawn-r1-") {
						return fmt.Errorf("%s is there still", name)
					}
				}
				return nil
			})
		})).
		Assess("logs are those of the nodes and the operator", step(func(t *testing.T) {
			tells(t, seppen(t, "logs", "--operator", "--tail=200"), 0, "-0-255 ", "seppen-operator-")
		}))
}

// pluginPath is PATH with the program in it under the name by which kubectl finds it.
func pluginPath(t *testing.T) string {
	t.Helper()
	program, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(program, filepath.Join(dir, "kubectl-seppen")); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("PATH=%s%c%s", dir, os.PathListSeparator, os.Getenv("PATH"))
}

// tells checks an exit code, and words of what was printed to either output.
func tells(t *testing.T, r result, code int, words ...string) {
	t.Helper()
	got := 0
	if r.err != nil {
		got = exitCode(r.err)
	}
	if got != code {
		t.Errorf("exit code %d, not %d: %v", got, code, r.err)
	}
	for _, w := range words {
		if !strings.Contains(r.out+r.errors, w) {
			t.Errorf("it does not say %q:\n%s%s", w, r.out, r.errors)
		}
	}
}

// exitCode is that of a command that failed, -1 if it did not run.
func exitCode(err error) int {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
