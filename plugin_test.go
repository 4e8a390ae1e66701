package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// By its other names the program is a plugin of kubectl.
func TestPluginNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"kubectl-seppen", "kubectl_complete-seppen"} {
		if err := os.Symlink(program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"kubectl-seppen", []string{"--help"}, 0, "kubectl seppen [command]"},
		{"kubectl-seppen", []string{"put", "key"}, 2, `kubectl seppen: unknown command "put"`},
		{"kubectl-seppen", []string{"status"}, 1, "kubectl seppen: read the kubeconfig"},
		{"kubectl-seppen", []string{"scale"}, 2, "kubectl seppen: say how many"},
		{"kubectl-seppen", []string{"drain-check"}, 2, "kubectl seppen: accepts 1 arg"},
		{"kubectl-seppen", []string{"drain-check", "snow-0-255"}, 2, "kubectl seppen: read the kubeconfig"},
		{"kubectl_complete-seppen", []string{"dr"}, 0, "drain-check\t"},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, c.name), c.args...)
		tells(t, cmd, c.code, c.says)
	}
	tells(t, exec.CommandContext(t.Context(), program, "kubectl", "drain-check", "--help"), 0, "seppen kubectl drain-check POD|MACHINE")
	tells(t, exec.CommandContext(t.Context(), program, "kubectl", "drain-check", "snow-0-255"), 2, "seppen: read the kubeconfig")
}

// tells runs a command where there is no Kubernetes.
func tells(t *testing.T, cmd *exec.Cmd, code int, says string) {
	t.Helper()
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(t.TempDir(), "none"), "KUBERNETES_SERVICE_HOST=")
	out, err := cmd.CombinedOutput()
	got := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if got != code || !strings.Contains(string(out), says) {
		t.Errorf("%v: exit code %d, not %d, or not %q:\n%s", cmd.Args[1:], got, code, says, out)
	}
}
