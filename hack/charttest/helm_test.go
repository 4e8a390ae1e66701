package charttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const definition = "seppenclusters.seppen.io"

// helm runs helm against the API server in namespace seppen-system.
func helm(t testing.TB, args ...string) (string, error) {
	t.Helper()
	out, _, err := run(t, "", "helm", append([]string{cluster(t), "--namespace=seppen-system"}, args...)...)
	return out, err
}

func mustHelm(t testing.TB, args ...string) string {
	t.Helper()
	out, err := helm(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// copied is a copy of the chart in which a text of a file is another.
func copied(t *testing.T, file, old, changed string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "seppen")
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), old, changed, 1)
	if text == string(data) {
		t.Fatalf("%q is not in %s", old, file)
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The life of a release: the definition goes up with it, and does not go with it.
func TestHelmsLife(t *testing.T) {
	namespaces(t)
	drop := func() { kubectl(t, "", "delete", "crd", definition, "--ignore-not-found", "--timeout=1m") }
	drop()
	t.Cleanup(drop)
	t.Cleanup(func() {
		for _, release := range []string{"seppen", "other"} {
			mustHelm(t, "uninstall", release, "--ignore-not-found")
		}
	})
	there := func() bool { return kubectl(t, "", "get", "crd", definition, "--ignore-not-found") != "" }

	notes := mustHelm(t, "install", "seppen", chart)
	if !strings.Contains(notes, "helm -n seppen-system test seppen") || strings.Contains(notes, "WARNING") {
		t.Errorf("notes:\n%s", notes)
	}
	kubectl(t, "", "wait", "--for=condition=Established", "--timeout=1m", "crd", definition)
	// The notes' own manifest, and the name that helm test takes.
	_, manifest, _ := strings.Cut(notes, "<<'EOF'\n")
	manifest, _, _ = strings.Cut(manifest, "EOF\n")
	kubectl(t, strings.ReplaceAll("\n"+manifest, "\n  ", "\n"), "apply", "--server-side", "--dry-run=server", "-f-")

	const column = "jsonpath={.spec.versions[0].additionalPrinterColumns[0].name}"
	mustHelm(t, "upgrade", "seppen", copied(t, "files/crd.yaml", "name: Shards", "name: Parts"))
	if got := kubectl(t, "", "get", "crd", definition, "-o", column); got != "Parts" {
		t.Errorf("after the upgrade the first column is %s", got)
	}

	kubectl(t, "{apiVersion: seppen.io/v1alpha1, kind: SeppenCluster, metadata: {name: snow, namespace: seppen-system}}", "create", "-f-")
	mustHelm(t, "uninstall", "seppen")
	if kubectl(t, "", "get", "seppenclusters", "-n", "seppen-system", "-o", "name") == "" {
		t.Error("a cluster went with the operator")
	}

	mustHelm(t, "install", "seppen", chart) // takes what it left
	mustHelm(t, "uninstall", "seppen")
	if _, err := helm(t, "install", "other", chart); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
		t.Errorf("another release took the definition unasked: %v", err)
	}
	mustHelm(t, "install", "other", chart, "--take-ownership")
	mustHelm(t, "uninstall", "other")
	if !there() {
		t.Error("the definition went with another release")
	}

	drop()
	notes = mustHelm(t, "install", "seppen", chart, "--set=crds.keep=false")
	if !strings.Contains(notes, "WARNING: crds.keep is false") {
		t.Errorf("no warning in the notes:\n%s", notes)
	}
	mustHelm(t, "uninstall", "seppen", "--wait")
	if there() {
		t.Error("the definition was kept")
	}
	notes = mustHelm(t, "install", "seppen", chart, "--set=crds.enabled=false")
	if !strings.Contains(notes, "does not know SeppenClusters") {
		t.Errorf("no warning in the notes:\n%s", notes)
	}
}
