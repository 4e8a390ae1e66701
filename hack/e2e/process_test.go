package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// processOf finds the pid of the node that runs in a pod. The machines of hack/kube are
// namespaces of this one, so it can be looked at, and killed, from here.
func processOf(t *testing.T, p *corev1.Pod) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		// A process that ends meanwhile is not the one.
		groups, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		if bytes.Contains(groups, []byte("pod"+p.UID)) && string(bytes.TrimSpace(name)) == "seppen" {
			pid, err := strconv.Atoi(filepath.Base(dir))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatalf("no process of pod %s runs on this machine", p.Name)
	return 0
}

// proc reads what the kernel says of a process.
func proc(t *testing.T, pid int, file string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
