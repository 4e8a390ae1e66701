package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/page.md anew")

func page1(t *testing.T, crd string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := run([]string{"-types", "testdata", "-crd", crd, "-kubernetes", "v1.37"}, &out)
	return out.String(), err
}

func TestPage(t *testing.T) {
	got, err := page1(t, "testdata/crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "page.md")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Types and definition that do not belong together make no page.
func TestTheyMustAgree(t *testing.T) {
	good, err := os.ReadFile("testdata/crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"a field of the definition is gone": {"              weight:", "              mass:", "spec.weight is in the Go type and not in the definition"},
		"the definition has another field":  {"              weight:", "              mass: {type: string}\n              weight:", "spec.mass is in the definition and not in the Go type"},
		"another kind":                      {"kind: Flake", "kind: Drop", "there is no Go type Drop"},
		"no version":                        {"  versions:", "  revisions:", "0 versions"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "crd.yaml")
			bad := strings.Replace(string(good), c.old, c.new, 1)
			if bad == string(good) {
				t.Fatalf("%q is not in testdata/crd.yaml", c.old)
			}
			if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := page1(t, file); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
