package ring

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// world is a cluster under test.
type world struct {
	c *v1alpha1.SeppenCluster
	l *layout.Layout
}

// whole is a cluster of so many shards and copies in which all is well.
func whole(t *testing.T, name string, shards, copies int) *world {
	t.Helper()
	names, err := layout.Names(name, shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{&v1alpha1.SeppenCluster{}, &layout.Layout{Cluster: layout.ID{1}, Epoch: 7}}
	w.c.Namespace, w.c.Name, w.c.Generation = "default", name, 3
	w.c.Spec.Shards, w.c.Spec.Copies = new(int32(shards)), new(int32(copies))
	w.c.Status = v1alpha1.SeppenClusterStatus{
		ObservedGeneration: 3, Epoch: 7, Shards: int32(shards), Copies: int32(copies), Keys: 1234, Bytes: 5 << 20,
		Ready: fmt.Sprintf("%d/%d", len(names), len(names)),
	}
	w.says("Ready", "True", "Serving", "Every slot can be read and written.")
	w.says("Progressing", "False", "Complete", "All is as the spec asks.")
	w.says("Degraded", "False", "AllCopies", "No copy is missing.")
	w.says("DataLost", "False", "NothingLost", "")
	for _, n := range names {
		w.add(n, layout.Serving)
	}
	return w.cut()
}

func (w *world) says(condition, status, reason, message string) {
	c := metav1.Condition{Type: condition, Status: metav1.ConditionStatus(status), Reason: reason, Message: message}
	for i := range w.c.Status.Conditions {
		if w.c.Status.Conditions[i].Type == condition {
			w.c.Status.Conditions[i] = c
			return
		}
	}
	w.c.Status.Conditions = append(w.c.Status.Conditions, c)
}

// add makes a node with a member in a phase.
func (w *world) add(n layout.Name, phase layout.Phase) *v1alpha1.NodeStatus {
	id := layout.ID{2, byte(len(w.l.Members)), byte(len(w.l.Members) >> 8)}
	w.l.Members = append(w.l.Members, layout.Member{Name: n, Address: "10.0.0.1:21286", Incarnation: id, JoinEpoch: 1, Phase: phase})
	w.c.Status.Nodes = append(w.c.Status.Nodes, v1alpha1.NodeStatus{
		Name: n.String(), Range: n.Range.String(), Incarnation: id.String(), Phase: phase.String(), Ready: phase == layout.Serving,
		SafeToDelete: true, SafeToDeleteReason: "each of its slots has another copy",
	})
	return &w.c.Status.Nodes[len(w.c.Status.Nodes)-1]
}

// come makes a node with a name.
func (w *world) come(t *testing.T, name string, phase layout.Phase) *v1alpha1.NodeStatus {
	t.Helper()
	n, err := layout.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	return w.add(n, phase)
}

func (w *world) node(name string) *v1alpha1.NodeStatus {
	i := slices.IndexFunc(w.c.Status.Nodes, func(n v1alpha1.NodeStatus) bool { return n.Name == name })
	return &w.c.Status.Nodes[i]
}

func (w *world) phase(name string, phase layout.Phase) {
	for i := range w.l.Members {
		if w.l.Members[i].Name.String() == name {
			w.l.Members[i].Phase = phase
			w.node(name).Phase = phase.String()
		}
	}
}

// cut makes the layout's segments anew.
func (w *world) cut() *world {
	w.l.Segments = layout.SegmentsOf(w.l.Members, w.l.Epoch)
	return w
}

func scaling(t *testing.T) *world {
	w := whole(t, "snow", 3, 1)
	w.c.Spec.Shards = new(int32(2))
	w.says("Progressing", "True", "Scaling", "snow-r1-0-127 copies its slots (40 %), about 96 MiB left, about 10 s. snow-r1-128-255 takes part in writes, copies its slots (90 %). snow-0-84, snow-85-169, snow-170-255 go.")
	for i := range w.c.Status.Nodes {
		n := &w.c.Status.Nodes[i]
		n.Retiring, n.SafeToDelete, n.SafeToDeleteReason = true, false, n.Range+" has one copy"
	}
	a := w.come(t, "snow-r1-0-127", layout.Joining)
	a.CopyBytesLeft, a.CopySecondsLeft, a.SafeToDeleteReason = 96<<20, 8, "it holds nothing"
	w.come(t, "snow-r1-128-255", layout.Attached).SafeToDeleteReason = "each of its slots has another copy"
	return w.cut()
}

func leavingWorld(t *testing.T) *world {
	w := whole(t, "snow", 3, 2)
	w.says("Progressing", "True", "Draining", "snow-0-169 hands its slots over.")
	w.come(t, "snow-r4-0-169", layout.Serving)
	w.phase("snow-0-169", layout.Leaving)
	old := w.node("snow-0-169")
	old.Retiring, old.Ready, old.Message = true, false, "hands its slots over"
	w.c.Status.Ready = "3/4"
	return w.cut()
}

// dead: one process ended and is not back; of what it had, one copy is left.
func dead(t *testing.T) *world {
	w := whole(t, "snow", 3, 2)
	w.l.Members = slices.DeleteFunc(w.l.Members, func(m layout.Member) bool { return m.Name.Range.Lo == 85 })
	gone := w.node("snow-85-255")
	gone.Phase, gone.Ready, gone.SafeToDeleteReason = "", false, "it holds nothing"
	gone.Message = "PodCrashing: exit code 137, OOMKilled; what it held in memory is gone"
	w.node("snow-0-169").SafeToDelete, w.node("snow-0-169").SafeToDeleteReason = false, "85-169 has one copy"
	w.node("snow-170-84").SafeToDelete, w.node("snow-170-84").SafeToDeleteReason = false, "170-255 has one copy"
	w.c.Status.Ready = "2/3"
	w.says("Progressing", "False", "PodCrashing", "snow-85-255: exit code 137, OOMKilled.")
	w.says("Degraded", "True", "CopiesMissing", "Slots 85-255 have 1 of 2 copies. snow-85-255: its process ended (exit code 137, OOMKilled).")
	return w.cut()
}

func lost(t *testing.T) *world {
	w := whole(t, "snow", 2, 1)
	w.says("DataLost", "True", "SlotsGivenUp", "Slots 0-127 were lost in epoch 6.")
	w.c.Status.LostSlots = []v1alpha1.SlotLoss{{
		Epoch: 6, Slots: "0-127", Count: 128, Time: metav1.NewTime(time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)), Cause: "snow-0-127: exit code 137",
	}}
	for i := range w.c.Status.Nodes {
		n := &w.c.Status.Nodes[i]
		n.SafeToDelete, n.SafeToDeleteReason = false, n.Range+" has one copy"
	}
	return w
}

func fresh(t *testing.T) *world {
	w := whole(t, "snow", 2, 1)
	w.l = nil
	w.c.Status.Epoch, w.c.Status.ObservedGeneration = 0, 2
	for i := range w.c.Status.Nodes {
		n := &w.c.Status.Nodes[i]
		n.Phase, n.Ready, n.Message, n.SafeToDeleteReason = "", false, "the pod is pending", "there is no layout yet"
	}
	w.says("Ready", "False", "Starting", "There is no layout yet.")
	return w
}

func TestDraw(t *testing.T) {
	at80 := Style{Width: 80}
	for _, c := range []struct {
		name  string
		world *world
		style Style
	}{
		{"whole", whole(t, "snow", 3, 2), at80},
		{"ascii", leavingWorld(t), Style{Width: 80, ASCII: true}},
		{"color", leavingWorld(t), Style{Width: 80, Color: true}},
		{"wide", whole(t, "snow", 3, 2), Style{Width: 300}},
		{"narrow", whole(t, "a-cluster-with-a-name-as-long-as-it-can-b", 3, 2), Style{Width: 10}},
		{"joining", scaling(t), at80},
		{"leaving", leavingWorld(t), at80},
		{"onecopy", whole(t, "snow", 3, 1), at80},
		{"eight", whole(t, "snow", 1, 8), at80},
		{"dead", dead(t), at80},
		{"lost", lost(t), at80},
		{"fresh", fresh(t), at80},
		{"many", whole(t, "snow", 256, 3), at80},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(Draw(c.world.c, c.world.l, c.style), "\n") + "\n"
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("-want +got, -update writes it anew:\n%s", d)
			}
		})
	}
}

// Nothing is wider than it may be, whatever the shape.
func TestFits(t *testing.T) {
	for _, width := range []int{40, 80, 133, 400} {
		for _, w := range []*world{whole(t, "snow", 3, 2), scaling(t), leavingWorld(t), dead(t), lost(t), whole(t, "snow", 100, 3)} {
			for _, line := range Draw(w.c, w.l, Style{Width: width}) {
				// A legend is as it is; a word that is longer cannot be broken.
				if n := utf8.RuneCountInString(line); n > width && !strings.Contains(line, "first owner") && strings.Contains(strings.TrimSpace(line), " ") && width >= 80 {
					t.Errorf("%d of %d columns: %s", n, width, line)
				}
			}
		}
	}
}

// On a screen that is too small, nodes of which there is nothing to tell are left out.
func TestHeight(t *testing.T) {
	w := whole(t, "snow", 256, 3)
	w.node("snow-9-11").Ready = false
	w.node("snow-9-11").Message = "does not answer"
	lines := Draw(w.c, w.l, Style{Width: 80, Height: 24})
	text := strings.Join(lines, "\n")
	if len(lines) > 24 || !strings.Contains(text, "(255 nodes more serve)") || !strings.Contains(text, "snow-9-11 ") || strings.Contains(text, "snow-10-12") {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
	if n := len(Draw(w.c, w.l, Style{Width: 80, Height: 3})); n != 3 {
		t.Errorf("%d lines where 3 fit", n)
	}
}

// A node that has but one slot is seen in the narrowest bar.
func TestOneSlotIsSeen(t *testing.T) {
	r := row{}
	r.slots[130] = joining
	for n := 8; n <= layout.Slots; n++ {
		if cells := r.cells(n); !slices.Contains(cells, joining) {
			t.Errorf("%d cells do not show it", n)
		}
	}
}

// What others wrote cannot do anything to a terminal.
func TestTextFromElsewhere(t *testing.T) {
	w := whole(t, "snow", 1, 1)
	w.says("Ready", "False", "Starting", "evil \x1b[2J\a\r\nmore")
	w.node("snow-0-255").Ready, w.node("snow-0-255").Message = false, "\x1b]0;title\a"
	w.node("snow-0-255").SafeToDeleteReason = "\x1b[31m"
	for _, line := range Draw(w.c, w.l, Style{Width: 80}) {
		if strings.ContainsAny(line, "\x1b\a\r") {
			t.Errorf("%q", line)
		}
	}
}
