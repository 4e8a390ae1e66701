package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mutant is the product with one rule of docs/replication.md left out. None of it is in
// the product: the tests are built with other contents of its files.
type mutant struct {
	name  string
	edits []edit
	seeds int    // within so many it must be found
	about string // the flavour of the seeds, see flavours.go; empty: each has its own
}

// edit replaces a text, which stands in the file once.
type edit struct{ file, old, new string }

var only = regexp.MustCompile(os.Getenv("MUTANTS"))

// TestMutants breaks the code in known ways and demands that the simulation finds each of
// them. If it does not, it lacks something. MUTANTS=regexp chooses some of them,
// and -from where to begin.
func TestMutants(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("takes minutes, and is the same with the race detector; TestSeeds is the short one")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		if !only.MatchString(m.name) {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			started := time.Now()
			program := m.build(t, root)
			built := time.Since(started)
			found := m.run(t, program, "TestSeeds")
			t.Logf("built in %v, found in %v: %s", built.Round(time.Millisecond), (time.Since(started) - built).Round(time.Millisecond), found)
		})
	}
}

// build makes a program of this package's tests with the edits.
func (m *mutant) build(t *testing.T, root string) (program string) {
	t.Helper()
	dir := t.TempDir()
	contents := make(map[string]string)
	for _, e := range m.edits {
		path := filepath.Join(root, e.file)
		if contents[path] == "" {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			contents[path] = string(b)
		}
		if n := strings.Count(contents[path], e.old); n != 1 {
			t.Fatalf("%s has the text to replace %d times: bring the mutant up to date\n%s", e.file, n, e.old)
		}
		contents[path] = strings.Replace(contents[path], e.old, e.new, 1)
	}
	replace := make(map[string]string)
	for path, content := range contents {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[path], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "simulation.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-overlay", list, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

var violation = regexp.MustCompile(`seed \d+, step \d+.*`)

// run runs the mutant's seeds and returns what was found.
func (m *mutant) run(t *testing.T, program, test string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^"+test+"$",
		"-from", strconv.FormatUint(*from, 10), "-seeds", strconv.Itoa(m.seeds), "-about", m.about)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%d seeds find nothing wrong with it", m.seeds)
		return ""
	}
	found := violation.Find(out)
	if found == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(found)
}
