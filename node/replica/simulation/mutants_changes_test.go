package simulation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// changeMutants leave out rules of docs/changes.md. A test in which nothing goes wrong finds
// those that need no help.
var changeMutants = []struct {
	test string
	mutant
}{
	{"TestChanges", mutant{"30 who leaves goes before others are active", []edit{{
		"controllers/placement/retire.go", "\t\tif slices.Contains(s.owners(g), m) && !s.active(g) {\n", "\t\tif false && !s.active(g) {\n",
	}}, few, ""}},
	{"TestCalm", mutant{"31 who serves leaves before others stand in its place", []edit{{
		"controllers/placement/retire.go", "&& !s.dead[m.Incarnation] && s.replaced(m) {", "&& !s.dead[m.Incarnation] {",
	}}, few, ""}},
	{"TestChanges", mutant{"32 who leaves is never brought back", []edit{{
		"controllers/placement/retire.go", "if m.Phase == layout.Leaving && !s.dead[m.Incarnation] && (", "if false && (",
	}}, few, ""}},
	{"TestChanges", mutant{"33 who retired is let in again", []edit{{
		"controllers/placement/admit.go", "case s.fresh(o) && !o.Unfit:", "case true:",
	}}, few, ""}},
	{"TestChanges", mutant{"34 who leaves is not waited for", []edit{{
		"api/layout/layout.go", "return p == Attached || p == Serving || p == Leaving", "return p == Attached || p == Serving",
	}}, few, ""}},
	{"TestCalm", mutant{"35 a serial is given out twice", []edit{{
		ours + "decide.go", "names: plan.Nodes, serial: plan.Serial}", "names: plan.Nodes}",
	}}, few, ""}},
	{"TestCalm", mutant{"36 who is told to stop ends at once", []edit{{
		ours + "hosts.go", "{ return p.phase() != 0 && p.phase() != layout.Joining }", "{ return false }",
	}}, few, ""}},
	{"TestChanges", mutant{"37 a node is dropped while it has a member", []edit{{
		"controllers/membership/membership.go", "\t\tcase n.Phase == 0:\n", "\t\tcase n.Phase != layout.Serving:\n",
	}}, few, ""}},
}

// TestChangeMutants is TestMutants for planned changes.
func TestChangeMutants(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("takes minutes, and is the same with the race detector; TestChanges is the short one")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range changeMutants {
		if only.MatchString(m.name) {
			t.Run(m.name, func(t *testing.T) { t.Log(m.run(t, m.build(t, root), m.test)) })
		}
	}
}

// TestMutantTexts is quick: what a mutant replaces is there, once.
func TestMutantTexts(t *testing.T) {
	all := append([]mutant(nil), mutants...)
	for _, m := range changeMutants {
		all = append(all, m.mutant)
	}
	for _, m := range all {
		for _, e := range m.edits {
			text, err := os.ReadFile(filepath.Join("../../..", e.file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), e.old); n != 1 {
				t.Errorf("%s: %s has its text %d times", m.name, e.file, n)
			}
		}
	}
}
