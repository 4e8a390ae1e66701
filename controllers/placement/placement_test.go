package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
)

var cluster = layout.ID{0xc}

// A transcript: lines with ">" say which processes are seen, as NAME=INCARNATION with
// /EPOCH where the node reports one and !CLUSTER where it reports another cluster;
// what follows is the step that Next takes from the last layout.
var transcripts = []struct {
	name, nodes, text string
}{
	{"a cluster starts", "a-0-127 b-128-255", `
>
nothing: a-0-127 is not seen, b-128-255 is not seen
> b-128-255=2
nothing: a-0-127 is not seen
> b-128-255=2 a-0-127=1
epoch 1: bootstrap with 2 nodes
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> a-0-127=1 b-128-255=2
nothing
> a-0-127=1/1 b-128-255=2/1
nothing
`},
	{"copies", "x-0-169 x-85-255 x-170-84", `
> x-0-169=1 x-85-255=2 x-170-84=3
epoch 1: bootstrap with 3 nodes
  members x-0-169=1 serving since 1, x-85-255=2 serving since 1, x-170-84=3 serving since 1
  slots 0: x-0-169=1 x-170-84=3 view 1, 85: x-85-255=2 x-0-169=1 view 1, 170: x-170-84=3 x-85-255=2 view 1
`},
	{"a process comes back empty, twice", "a-0-127 b-128-255", `
> a-0-127=1 b-128-255=2
epoch 1: bootstrap with 2 nodes
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> b-128-255=2/1
nothing
> a-0-127=3 b-128-255=2/1
epoch 2: a-0-127 came back empty
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1, a-0-127=3 joining since 2
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> a-0-127=3/2 b-128-255=2/2
nothing
> a-0-127=4 b-128-255=2/2
epoch 3: a-0-127 came back empty
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1, a-0-127=4 joining since 3
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
`},
	{"several come back at once, one of them again", "a-0-127 b-128-255", `
> a-0-127=1 b-128-255=2
epoch 1: bootstrap with 2 nodes
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> b-128-255=4 a-0-127=3
epoch 2: a-0-127, b-128-255 came back empty
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1, a-0-127=3 joining since 2, b-128-255=4 joining since 2
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> b-128-255=4/2 a-0-127=5
epoch 3: a-0-127 came back empty
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1, a-0-127=5 joining since 3, b-128-255=4 joining since 2
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
`},
	{"no bootstrap over a layout that somebody has (F15)", "a-0-127 b-128-255", `
> a-0-127=1/7 b-128-255=2
nothing: no layout is known here, but a-0-127 has epoch 7 of cluster c
> a-0-127=1 b-128-255=2 other-0-255=9/3
nothing: no layout is known here, but other-0-255 has epoch 3 of cluster c
> a-0-127=1 b-128-255=2/3!d
nothing: no layout is known here, but b-128-255 has epoch 3 of cluster d
> a-0-127=1 b-128-255=2!d
nothing: b-128-255 belongs to cluster d
`},
	{"no step below an epoch that somebody has (F15)", "a-0-127 b-128-255", `
> a-0-127=1 b-128-255=2
epoch 1: bootstrap with 2 nodes
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> a-0-127=3 b-128-255=2/5
nothing: epoch 1 is the last one known here, but b-128-255 has epoch 5 of cluster c
`},
	{"two processes under one name", "a-0-127 b-128-255", `
> a-0-127=1 a-0-127=3 b-128-255=2
nothing: 2 processes claim to be a-0-127
> a-0-127=1 b-128-255=2 a-0-127=1
epoch 1: bootstrap with 2 nodes
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
> a-0-127=1 a-0-127=3 b-128-255=2
nothing: 2 processes claim to be a-0-127
> a-0-127=1 a-0-127=3 b-128-255=4
epoch 2: b-128-255 came back empty
  members a-0-127=1 serving since 1, b-128-255=2 serving since 1, b-128-255=4 joining since 2
  slots 0: a-0-127=1 view 1, 128: b-128-255=2 view 1
`},
	{"one process under two names", "a-0-127 b-128-255", `
> a-0-127=1 b-128-255=1
nothing: not a valid step: layout 1: member b-128-255: incarnation 01000000000000000000000000000000 is empty or stands twice
`},
	{"strangers", "a-0-255", `
> a-0-255=1 z-0-255=2
epoch 1: bootstrap with 1 nodes
  members a-0-255=1 serving since 1
  slots 0: a-0-255=1 view 1
> a-0-255=1/1 z-0-255=2
nothing
> a-0-255=3!d
nothing: a-0-255 belongs to cluster d
`},
}

func TestTranscripts(t *testing.T) {
	for _, c := range transcripts {
		t.Run(c.name, func(t *testing.T) {
			var current *layout.Layout
			var out strings.Builder
			out.WriteString("\n")
			for line := range strings.Lines(c.text) {
				if line[0] != '>' {
					continue
				}
				next, why := Next(cluster, current, names(t, c.nodes), World{Seen: sightings(t, line[1:])})
				out.WriteString(line + tell(next, why))
				if next != nil {
					current = next
				}
			}
			if d := cmp.Diff(c.text, out.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

// A name that the layout does not have is not a step of today.
func TestNoGrowth(t *testing.T) {
	one, _ := Next(cluster, nil, names(t, "a-0-255"), World{Seen: sightings(t, "a-0-255=1")})
	next, why := Next(cluster, one, names(t, "a-0-255 b-0-255"), World{Seen: sightings(t, "a-0-255=1/1 b-0-255=2")})
	if next != nil || why != "b-0-255 is new: a cluster cannot grow yet" {
		t.Errorf("%v, %q", next, why)
	}
	if next, why = Next(layout.ID{0xd}, one, names(t, "a-0-255"), World{}); next != nil || !strings.Contains(why, "not of") {
		t.Errorf("another cluster's layout: %v, %q", next, why)
	}
	if next, why = Next(cluster, nil, nil, World{}); next != nil || !strings.Contains(why, "no members") {
		t.Errorf("no names: %v, %q", next, why)
	}
}

// Whatever is seen in whatever order, a step keeps what the package comment says.
func TestSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards, copies := rapid.IntRange(1, 8).Draw(t, "shards"), rapid.IntRange(1, 4).Draw(t, "copies")
		all, err := layout.Names("x", shards, copies)
		if err != nil {
			t.Fatal(err)
		}
		var current *layout.Layout
		fresh := byte(0)
		alive := make([]byte, len(all))
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for i := range alive {
				switch rapid.IntRange(0, 3).Draw(t, "fate") {
				case 0:
					alive[i] = 0
				case 1:
					fresh++
					alive[i] = fresh
				}
			}
			seen := look(t, all, alive, current)
			next, why := Next(cluster, current, all, World{Seen: seen})
			checkStep(t, current, next, why)
			checkOrder(t, current, next, why, all, seen)
			if next != nil {
				current = next
			}
			if again, why := Next(cluster, current, all, World{Seen: seen}); again != nil {
				t.Fatalf("the same sight leads to a second step: %s", why)
			}
		}
	})
}

// look is what is seen of the processes that live: mostly the truth, at times one that
// has died, and one that reports some epoch.
func look(t *rapid.T, all []layout.Name, alive []byte, current *layout.Layout) []Observation {
	var seen []Observation
	for i, incarnation := range alive {
		if incarnation == 0 {
			continue
		}
		o := Observation{Name: all[i], Address: "h:1", Incarnation: layout.ID{incarnation}}
		if current != nil && rapid.Bool().Draw(t, "adopted") {
			o.Cluster, o.Epoch = cluster, rapid.Uint64Range(0, current.Epoch).Draw(t, "epoch")
		}
		seen = append(seen, o)
		if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
			o.Incarnation = layout.ID{rapid.ByteRange(1, 9).Draw(t, "old"), 1}
			seen = append(seen, o)
		}
	}
	return seen
}

func checkStep(t *rapid.T, current, next *layout.Layout, why string) {
	if next == nil {
		return
	}
	if err := next.Validate(); err != nil {
		t.Fatal(err)
	}
	if why == "" {
		t.Fatal("a step without a reason")
	}
	if current == nil {
		if next.Epoch != 1 {
			t.Fatalf("the first epoch is %d", next.Epoch)
		}
		return
	}
	if next.Epoch != current.Epoch+1 {
		t.Fatalf("epoch %d follows %d", next.Epoch, current.Epoch)
	}
	if d := cmp.Diff(current.Segments, next.Segments); d != "" {
		t.Fatalf("segments changed:\n%s", d)
	}
	for i, m := range current.Members {
		if m.Phase != layout.Joining && next.Members[i] != m {
			t.Fatalf("%v became %v", m, next.Members[i])
		}
	}
	joining := map[layout.Name]bool{}
	for _, m := range next.Members {
		if m.Phase == layout.Joining && joining[m.Name] {
			t.Fatalf("%s joins twice", m.Name)
		}
		joining[m.Name] = joining[m.Name] || m.Phase == layout.Joining
	}
}

func checkOrder(t *rapid.T, current, next *layout.Layout, why string, all []layout.Name, seen []Observation) {
	before := ""
	if current != nil {
		before = string(current.Encode())
	}
	shuffled := slices.Clone(seen)
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 0))
	r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	again, whyAgain := Next(cluster, current, all, World{Seen: shuffled})
	if d := cmp.Diff(next, again); d != "" || why != whyAgain {
		t.Fatalf("another order of what is seen gives %q and\n%s", whyAgain, d)
	}
	if current != nil && string(current.Encode()) != before {
		t.Fatal("the current layout was changed")
	}
}

func names(t *testing.T, list string) []layout.Name {
	t.Helper()
	out, err := layout.ParseNames(strings.Fields(list))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sightings(t *testing.T, list string) []Observation {
	t.Helper()
	var out []Observation
	for _, word := range strings.Fields(list) {
		o := Observation{Address: "h:1"}
		word, other, stray := strings.Cut(word, "!")
		word, epoch, _ := strings.Cut(word, "/")
		name, incarnation, _ := strings.Cut(word, "=")
		o.Name = names(t, pad(name))[0]
		n, err := strconv.Atoi(incarnation)
		if err != nil {
			t.Fatal(err)
		}
		o.Incarnation = layout.ID{byte(n)}
		if epoch != "" {
			o.Cluster = cluster
			if o.Epoch, err = strconv.ParseUint(epoch, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if stray {
			n, _ := strconv.ParseUint(other, 16, 8)
			o.Cluster = layout.ID{byte(n)}
		}
		out = append(out, o)
	}
	return out
}

// pad makes a list that covers the ring of one name, so that ParseNames takes it.
func pad(name string) string { return name + " pad-0-255" }

func tell(l *layout.Layout, why string) string {
	short := strings.NewReplacer(cluster.String(), "c", layout.ID{0xd}.String(), "d")
	why = short.Replace(why)
	if l == nil {
		return strings.TrimSuffix("nothing: "+why, ": ") + "\n"
	}
	member := func(m *layout.Member) string { return fmt.Sprintf("%s=%d", m.Name, m.Incarnation[0]) }
	var members, slots []string
	for i := range l.Members {
		m := &l.Members[i]
		members = append(members, fmt.Sprintf("%s %s since %d", member(m), m.Phase, m.JoinEpoch))
	}
	for _, s := range l.Segments {
		text := fmt.Sprintf("%d:", s.Lo)
		for _, i := range s.Order {
			text += " " + member(&l.Members[i])
		}
		slots = append(slots, fmt.Sprintf("%s view %d", text, s.View))
	}
	return fmt.Sprintf("epoch %d: %s\n  members %s\n  slots %s\n", l.Epoch, why, strings.Join(members, ", "), strings.Join(slots, ", "))
}
