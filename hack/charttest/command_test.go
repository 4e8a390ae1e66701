package charttest

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// What containers are told to do is what the program understands.
func TestArgumentsAreUnderstood(t *testing.T) {
	all := map[string]objects{"config/default": parse(t, kustomize(t, "default"))}
	for set := range sets {
		all["chart, "+set] = render(t, set)
	}
	seppen := filepath.Join(t.TempDir(), "seppen")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", seppen, ".")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for from, objects := range all {
		for _, c := range containers(t, objects) {
			t.Run(from+" "+c.Name, func(t *testing.T) {
				// --help is looked at after all other flags were, and before anything is done.
				help := exec.CommandContext(t.Context(), seppen, append(slices.Clone(c.Args), "--help")...)
				out, err := help.CombinedOutput()
				if want := "seppen " + c.Args[0]; err != nil || !strings.Contains(string(out), want) {
					t.Errorf("%q: %v, and no word of %q:\n%s", c.Args, err, want, out)
				}
			})
		}
	}
}

// containers are all containers of all pods.
func containers(t *testing.T, all objects) []corev1.Container {
	t.Helper()
	var out []corev1.Container
	for _, o := range all {
		var pod corev1.PodSpec
		switch o.GetKind() {
		case "Deployment":
			pod = podOf(t, o).Spec
		case "Pod":
			pod = find[corev1.Pod](t, objects{o}, id(o)).Spec
		}
		out = append(out, slices.Concat(pod.InitContainers, pod.Containers)...)
	}
	return out
}
