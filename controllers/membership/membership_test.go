package membership

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestStories plays the stories in testdata. A line with ">" is the shape that is asked
// for, and how many nodes may be replaced at a time; lines with a name are the nodes there
// are and what is known of them; "taken" are StatefulSets of others. What follows "=" is the plan.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			told := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(told), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(told, "\n")); diff != "" {
				t.Errorf("-story +played (go test -update rewrites it):\n%s", diff)
			}
		})
	}
}

// play tells all paragraphs of a story.
func play(t *testing.T, text string) string {
	var out []string
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var given []string
		wish, serial := Wish{Cluster: "c", Surge: 1}, uint64(0)
		var nodes []Node
		for line := range strings.SplitSeq(paragraph, "\n") {
			words := strings.Fields(line)
			switch words[0] {
			case "=":
				continue
			case "#":
			case ">":
				wish.Shape, wish.Surge, serial = wished(t, words[1:])
			case "taken":
				wish.Taken = func(n layout.Name) bool { return slices.Contains(words, fmt.Sprintf("%s-%d", n.Base, n.Range.Lo)) }
			default:
				nodes = append(nodes, known(t, words))
			}
			given = append(given, line)
		}
		out = append(out, strings.Join(append(given, told(Next(wish, nodes, serial))...), "\n"))
	}
	return strings.Join(out, "\n\n") + "\n"
}

func wished(t *testing.T, words []string) (shape []layout.Range, surge int, serial uint64) {
	t.Helper()
	surge = 1
	for _, w := range words {
		switch {
		case strings.HasPrefix(w, "surge="):
			_, _ = fmt.Sscanf(w, "surge=%d", &surge)
		case strings.HasPrefix(w, "serial="):
			_, _ = fmt.Sscanf(w, "serial=%d", &serial)
		default:
			r, err := layout.ParseRange(w)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, r)
		}
	}
	return shape, surge, serial
}

func known(t *testing.T, words []string) Node {
	t.Helper()
	name, err := layout.ParseName(words[0])
	if err != nil {
		t.Fatal(err)
	}
	n := Node{Name: name}
	for _, w := range words[1:] {
		switch w {
		case "ends":
			n.Ends = true
		case "moves":
			n.Moves = true
		case "old":
			n.Old = true
		default:
			for p := layout.Joining; p <= layout.Leaving; p++ {
				if w == p.String() {
					n.Phase = p
				}
			}
			if n.Phase == 0 {
				t.Fatalf("what is %q?", w)
			}
		}
	}
	return n
}

func told(p Plan) []string {
	var out []string
	tell := func(what string, names []layout.Name) {
		if len(names) > 0 {
			out = append(out, fmt.Sprintf("= %s %s", what, spelled(names)))
		}
	}
	tell("stay", p.Stay)
	tell("added", p.Added)
	tell("dropped", p.Dropped)
	tell("waiting", p.Waiting)
	if p.Serial > 0 {
		out = append(out, fmt.Sprintf("= serial %d", p.Serial))
	}
	return out
}

func spelled(names []layout.Name) string {
	var words []string
	for _, n := range names {
		words = append(words, n.String())
	}
	return strings.Join(words, " ")
}

// TestNext draws nodes and checks what must hold of every plan.
func TestNext(t *testing.T) {
	ranges := []layout.Range{{Lo: 0, Hi: 127}, {Lo: 128, Hi: 255}, {Lo: 0, Hi: 255}, {Lo: 0, Hi: 84}}
	rapid.Check(t, func(t *rapid.T) {
		wish := Wish{Cluster: "c", Surge: rapid.IntRange(1, 3).Draw(t, "surge")}
		wish.Shape = rapid.SliceOfN(rapid.SampledFrom(ranges), 1, 5).Draw(t, "shape")
		serial := rapid.Uint64Range(0, 12).Draw(t, "serial")
		nodes := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Node {
			return Node{
				Name: layout.Name{Base: rapid.SampledFrom([]string{"c", "c-r2", "c-r10", "c-r9"}).Draw(t, "base"), Range: rapid.SampledFrom(ranges).Draw(t, "range")},
				Ends: rapid.IntRange(0, 4).Draw(t, "ends") == 0, Moves: rapid.IntRange(0, 4).Draw(t, "moves") == 0,
				Old: rapid.Bool().Draw(t, "old"), Phase: layout.Phase(rapid.IntRange(0, 4).Draw(t, "phase")),
			}
		}), 0, 8, func(n Node) layout.Name { return n.Name }).Draw(t, "nodes")
		examine(t, wish, nodes, serial, Next(wish, nodes, serial))
		plan := Next(wish, nodes, serial)
		slices.Reverse(nodes)
		if diff := cmp.Diff(plan, Next(wish, nodes, serial)); diff != "" {
			t.Fatalf("the order of the nodes counts: %s", diff)
		}
	})
}

func examine(t *rapid.T, w Wish, nodes []Node, serial uint64, p Plan) {
	if len(p.Stay) != len(w.Shape) {
		t.Fatalf("%d nodes stay", len(p.Stay))
	}
	seen := make(map[string]bool)
	for _, n := range p.Nodes {
		if set := fmt.Sprintf("%s-%d", n.Base, n.Range.Lo); slices.Contains(p.Added, n) && seen[set] {
			t.Fatalf("two StatefulSets %s", set)
		} else {
			seen[set] = true
		}
	}
	by := make(map[layout.Name]Node)
	going := 0
	for _, n := range nodes {
		by[n.Name] = n
		stays, kept := slices.Contains(p.Stay, n.Name), slices.Contains(p.Nodes, n.Name)
		if !stays {
			going++
		}
		if kept != (stays || n.Phase != 0) {
			t.Fatalf("%s: kept %t, stays %t, %s", n.Name, kept, stays, n.Phase)
		}
		if stays && n.Ends {
			t.Fatalf("%s stays, and its end is set", n.Name)
		}
	}
	for _, n := range p.Added {
		if _, was := by[n]; was || Number("c", n.Base) <= serial || p.Serial < Number("c", n.Base) {
			t.Fatalf("%s is not new", n)
		}
	}
	if len(p.Waiting) > 0 && going < w.Surge {
		t.Fatalf("%v wait though only %d go", p.Waiting, going)
	}
}
