package objects

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var update = flag.Bool("update", false, "write testdata/*.yaml anew")

// TestGolden compares whole objects. It keeps an upgrade of the operator from changing by
// accident what runs: above all the pod template, as after a change of it every pod is an
// old one.
func TestGolden(t *testing.T) {
	for name, file := range clusters {
		t.Run(name, func(t *testing.T) {
			c := readCluster(t, file)
			names := nodes(t, c)
			// What differs between the nodes of a cluster is in TestNodesDifferInNamesOnly.
			objects := append(once(c, names), StatefulSet(c, names[0], testImage))
			var docs []string
			for _, o := range objects {
				docs = append(docs, text(t, o))
			}
			golden := filepath.Join("testdata", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(strings.Join(docs, "---\n")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, golden, strings.Split(string(want), "---\n"), docs, objects)
		})
	}
}

func compare(t *testing.T, golden string, want, got []string, objects []client.Object) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s has %d objects, want %d: go test ./controllers/objects -update", golden, len(got), len(want))
	}
	for i := range got {
		diff := cmp.Diff(want[i], got[i])
		if diff == "" {
			continue
		}
		kind := objects[i].GetObjectKind().GroupVersionKind().Kind
		t.Errorf("%s: the %s is another one (-%s +built)\n%s", kind, objects[i].GetName(), golden, diff)
		if kind == "StatefulSet" {
			t.Error("An operator with this change makes every pod of every running cluster an old one: " +
				"all are replaced, one after the other, and what they hold is copied. " +
				"If that is what you want, say so in the release notes and run: go test ./controllers/objects -update")
		} else {
			t.Error("If that is what you want, run: go test ./controllers/objects -update")
		}
	}
}

func TestNodesDifferInNamesOnly(t *testing.T) {
	for name, file := range clusters {
		t.Run(name, func(t *testing.T) {
			c := readCluster(t, file)
			names := nodes(t, c)
			for _, n := range names[1:] {
				first, other := StatefulSet(c, names[0], testImage), StatefulSet(c, n, testImage)
				if other.Name+"-"+fmt.Sprint(other.Spec.Ordinals.Start) != n.String() {
					t.Errorf("the pod of %s with ordinal %d is not called %s", other.Name, other.Spec.Ordinals.Start, n)
				}
				other.Name, other.Spec.Ordinals.Start = first.Name, first.Spec.Ordinals.Start
				for _, labels := range []map[string]string{other.Labels, other.Spec.Selector.MatchLabels, other.Spec.Template.Labels} {
					if labels[NodeLabel] != n.String() {
						t.Errorf("%s has the label of %q", n, labels[NodeLabel])
					}
					labels[NodeLabel] = names[0].String()
				}
				if diff := cmp.Diff(text(t, first), text(t, other)); diff != "" {
					t.Errorf("%s is not like %s (-%s +%s)\n%s", n, names[0], names[0], n, diff)
				}
			}
		})
	}
}
