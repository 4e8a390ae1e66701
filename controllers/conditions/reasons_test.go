package conditions

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "../../docs/conditions.md"

// TestPage checks that docs/conditions.md has the tables that are made of the reasons,
// between a comment that names the table and one that ends it.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(page)
	check(t, err)
	want := string(text)
	for name, table := range tables() {
		begin, end := "<!-- table "+name+" -->\n", "<!-- end -->\n"
		head, rest, ok := strings.Cut(want, begin)
		_, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for the table %q", page, name)
		}
		want = head + begin + table + end + tail
	}
	if *update {
		check(t, os.WriteFile(page, []byte(want), 0o600))
		return
	}
	if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("-page +reasons (go test -update rewrites it):\n%s", diff)
	}
}

func tables() map[string]string {
	made := map[string]string{"Events": "| event | type | meaning |\n| --- | --- | --- |\n"}
	for _, r := range Reasons() {
		if made[r.Condition] == "" {
			made[r.Condition] = "| status | reason | meaning | what to do |\n| --- | --- | --- | --- |\n"
		}
		made[r.Condition] += fmt.Sprintf("| %s | `%s` | %s | %s |\n", r.Status, r.Reason, r.Meaning, r.Do)
	}
	for _, r := range eventReasons() {
		made["Events"] += fmt.Sprintf("| `%s` | %s | %s |\n", r.Reason, r.Type, r.Meaning)
	}
	return made
}

// TestConstants checks that each constant of reasons.go is in one of the tables, under
// the name that it has in Go.
func TestConstants(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reasons.go", nil, 0)
	check(t, err)
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		value, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		seen++
		text, err := strconv.Unquote(value.Value)
		check(t, err)
		if text != spec.Names[0].Name {
			t.Errorf("%s is %q", spec.Names[0].Name, text)
		}
		inTable := slices.ContainsFunc(Reasons(), func(r Reason) bool { return r.Reason == text || r.Condition == text })
		if !inTable && !slices.ContainsFunc(eventReasons(), func(r eventReason) bool { return r.Reason == text }) {
			t.Errorf("%s is in no table", text)
		}
		return true
	})
	if seen < len(Reasons()) {
		t.Errorf("found %d constants", seen)
	}
}

// TestEveryReasonHasAStory: a reason that no story leads to is not known to be right.
// Stops are handed on as they are, of these some are enough.
func TestEveryReasonHasAStory(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		all = append(all, text...)
	}
	has := func(pattern string) bool { return regexp.MustCompile("(?m)^" + pattern).Match(all) }
	stops := make(map[string]bool)
	for _, r := range stopReasons {
		stops[r.Reason] = true
	}
	for _, r := range Reasons() {
		if !stops[r.Reason] && !has(fmt.Sprintf("%s %s %s since", r.Condition, r.Status, r.Reason)) {
			t.Errorf("no story has %s %s %s", r.Condition, r.Status, r.Reason)
		}
	}
	for _, r := range eventReasons() {
		if !stops[r.Reason] && !has(fmt.Sprintf("event %s %s:", r.Type, r.Reason)) {
			t.Errorf("no story has the event %s %s", r.Type, r.Reason)
		}
	}
}
