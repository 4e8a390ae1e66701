package conditions

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata and docs/conditions.md")

// TestStories plays the stories in testdata. Lines with ">" are what happens to a
// cluster; then, ten seconds after the time before, the operator reconciles, and what
// follows is the status that it writes and the events that it sends. Lines with "#" and
// empty ones are for readers.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("there are no stories")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			check(t, err)
			told := play(t, string(text))
			if *update {
				check(t, os.WriteFile(file, []byte(told), 0o600))
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(told, "\n")); diff != "" {
				t.Errorf("-story +played (go test -update rewrites it):\n%s", diff)
			}
		})
	}
}

// play returns the story as it should read.
func play(t *testing.T, story string) string {
	t.Helper()
	var out strings.Builder
	w := newWorld()
	due := false
	reconcile := func() {
		if !due {
			return
		}
		due = false
		facts, events := w.reconcile()
		out.WriteString(w.tell(events))
		again := *facts
		again.Cluster = w.cluster.DeepCopy()
		if status, events := Of(&again); len(events) > 0 || !cmp.Equal(status, w.cluster.Status) {
			t.Errorf("told twice: %v\n%s", events, cmp.Diff(w.cluster.Status, status))
		}
		w.now = w.now.Add(10 * time.Second)
	}
	for line := range strings.Lines(story) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, ">"):
			due = true
			out.WriteString(line + "\n")
			if what := strings.TrimSpace(line[1:]); what != "" {
				w.do(t, what)
			}
		case line == "" || strings.HasPrefix(line, "#"):
			reconcile()
			out.WriteString(line + "\n")
		}
	}
	reconcile()
	return out.String()
}
