package conditions

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/controllers/placement"
	"github.com/eiri/seppen/controllers/proof"
)

var clusterID = layout.ID{0xc}

// world is a cluster as a story tells it: pods, the processes in them, and an operator
// that takes the steps that placement says.
type world struct {
	cluster  *v1alpha1.SeppenCluster
	began    time.Time
	now      time.Time
	shards   int
	copies   int
	asked    []layout.Name
	names    []layout.Name // of the nodes there are
	serial   uint64
	surge    int
	plan     membership.Plan
	nodes    map[string]*actor
	layout   *layout.Layout
	stop     *Stop
	left     []Left                  // of nodes that are no more
	stuck    bool                    // the layout cannot be written
	lives    uint16                  // incarnations so far
	pods     int                     // pods so far
	dead     map[layout.ID]string    // what is proven
	ghosts   map[layout.ID]bool      // processes whose pods are gone, and that live
	cut      []string                // nodes that do not reach each other
	answered map[layout.ID]time.Time // when incarnations last did
}

func newWorld() *world {
	began := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	return &world{
		cluster: &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "ns", Generation: 1, Annotations: map[string]string{}}},
		began:   began, now: began, nodes: make(map[string]*actor), dead: make(map[layout.ID]string), ghosts: make(map[layout.ID]bool), answered: make(map[layout.ID]time.Time),
	}
}

// do follows one line of a story.
func (w *world) do(t *testing.T, line string) {
	t.Helper()
	who, rest, _ := strings.Cut(line, " ")
	what, more, _ := strings.Cut(rest, " ")
	switch who {
	case "cluster":
		w.make(t, rest)
	case "scale":
		w.make(t, rest)
	case "surge":
		w.surge = number(t, what)
	case "stop":
		w.stop = &Stop{Reason: what, Message: more}
	case "go":
		w.stop = nil
	case "edit":
		w.cluster.Generation++
	case "seen": // up to an epoch
		w.cluster.Annotations[LossesSeen] = what
	case "says-dead": // a person
		w.cluster.Annotations[proof.PresumedDead] = rest
	case "layout":
		if what == "lost" {
			w.layout = nil
		} else {
			w.stuck = what == "stuck"
		}
	case "status":
		w.cluster.Status = v1alpha1.SeppenClusterStatus{}
	case "remains": // of a node that is no more: its StatefulSet, or its pod that ends after a while
		name, err := layout.ParseName(what)
		check(t, err)
		l := Left{Name: name}
		if more != "" {
			l.Pod = w.endingPod(t, what, more)
		}
		w.left = []Left{l}
	case "nothing": // remains
		w.left = nil
	case "cut":
		w.cut = strings.Fields(rest)
	case "wait":
		d, err := time.ParseDuration(what)
		check(t, err)
		w.now = w.now.Add(d)
	default:
		for _, name := range w.names {
			if who == "all" || who == name.String() || strings.HasPrefix(who, "first") && slices.Index(w.names, name) < number(t, who[len("first"):]) {
				w.act(t, name.String(), what, more)
			}
		}
		if who != "all" && !strings.HasPrefix(who, "first") && w.nodes[who] == nil {
			t.Fatalf("%q is about no node", line)
		}
	}
}

func (w *world) make(t *testing.T, text string) {
	t.Helper()
	var err error
	if ranges, ok := strings.CutPrefix(text, "ranges "); ok {
		w.asked, err = layout.ParseNames(strings.Fields(ranges))
		w.shards, w.copies = len(w.asked), 1
	} else {
		_, err = fmt.Sscanf(text, "shards=%d copies=%d", &w.shards, &w.copies)
		check(t, err)
		w.asked, err = layout.Names("c", w.shards, w.copies)
	}
	check(t, err)
	if w.layout == nil {
		w.have(w.asked)
	}
}

// have has the nodes be these.
func (w *world) have(names []layout.Name) {
	w.names = names
	for _, n := range names {
		if w.nodes[n.String()] == nil {
			w.nodes[n.String()] = &actor{}
		}
	}
}

// next plans which nodes there are from now on, and tells whether that changed.
func (w *world) next() (changed bool) {
	w.plan = membership.Plan{Nodes: w.names, Stay: w.names}
	if w.layout == nil {
		return false
	}
	var nodes []membership.Node
	for _, name := range w.names {
		a := w.nodes[name.String()]
		n := membership.Node{Name: name, Ends: a.ending && w.holds(name), Moves: a.moves && w.holds(name), Old: a.outdated && w.holds(name)}
		for i := range w.layout.Members {
			if m := &w.layout.Members[i]; m.Name == name && n.Phase != layout.Serving {
				n.Phase = m.Phase
			}
		}
		nodes = append(nodes, n)
	}
	w.plan = membership.Next(membership.Wish{Cluster: "c", Shape: membership.Shape(w.asked), Surge: w.surge}, nodes, w.serial)
	w.serial = w.plan.Serial
	return !layout.SameNames(w.plan.Nodes, w.names)
}

// holds tells whether the process of a node has duties.
func (w *world) holds(name layout.Name) bool {
	return slices.ContainsFunc(w.layout.Members, func(m layout.Member) bool {
		return m.Name == name && m.Phase.Acknowledges() && m.Incarnation == w.nodes[name.String()].incarnation
	})
}

// reconcile is what the operator does: a step of the layout, then the status. The nodes
// hear of the layout afterwards.
func (w *world) reconcile() (*Facts, []Event) {
	changed := w.next()
	f := &Facts{
		Cluster: w.cluster.DeepCopy(), Now: w.now, Wrote: w.now.Add(-10 * time.Second), Names: w.plan.Stay, Surge: w.surge, Shards: w.shards, Copies: w.copies, Stop: w.stop, Left: w.left,
		SecretName: "c-secret", Selector: "app.kubernetes.io/instance=c", Before: w.layout,
	}
	var seen []placement.Observation
	for _, name := range w.names {
		a := w.nodes[name.String()]
		n := Node{Name: name, Host: name.String() + ".c-nodes.ns.svc", Pod: a.pod, Earlier: a.earlier, Absent: a.absent, Status: w.says(a), Outdated: a.outdated}
		n.Going, n.Waiting = !slices.Contains(w.plan.Stay, name), slices.Contains(w.plan.Waiting, name)
		if w.layout != nil && w.holds(name) {
			n.Moves, n.Ends, n.Old = a.moves, a.ending, a.outdated
		}
		if !a.unasked {
			n.Err = cmp.Or(a.silent, a.hidden)
		}
		if n.Status != nil {
			w.answered[a.incarnation] = w.now
		}
		// A pod that is about to be replaced gets no duties.
		if n.Status != nil && (!a.outdated || n.Status.Phase != layout.Joining.String()) {
			seen = append(seen, placement.Observation{
				Name: name, Address: "10.0.0.1:21286", Home: string(a.pod.UID), Answering: time.Hour,
				Incarnation: a.incarnation, Cluster: n.Status.Cluster, Epoch: n.Status.Epoch,
				Purged: n.Status.Purged, Segments: n.Status.Segments, Peers: n.Status.Peers, Joining: n.Status.Joining,
			})
		}
		f.Nodes = append(f.Nodes, n)
	}
	f.Dead, f.Silent = w.dead, w.silent()
	f.Told, f.Died = f.Before, f.Dead
	switch {
	case changed:
		w.have(w.plan.Nodes)
	case !w.stuck && (w.layout != nil || w.stop == nil):
		dead := slices.SortedFunc(maps.Keys(w.dead), func(a, b layout.ID) int { return slices.Compare(a[:], b[:]) })
		next, step := placement.Next(clusterID, w.layout, w.plan.Stay, placement.World{Seen: seen, Silent: f.Silent, Dead: dead})
		if f.Step = step; next != nil {
			w.layout, f.Stepped = next, true
			gone := func(n layout.Name) bool { return !slices.Contains(w.plan.Stay, n) && !slices.Contains(next.Names(), n) }
			w.names = slices.DeleteFunc(slices.Clone(w.names), gone)
		}
	}
	f.Layout = w.layout
	status, events := Of(f)
	w.cluster.Status = status
	for _, a := range w.nodes {
		if w.layout != nil && w.says(a) != nil {
			w.adopt(a)
		}
	}
	return f, events
}

// silent is for how long members have not answered. Those who were not asked do not count.
func (w *world) silent() map[layout.ID]time.Duration {
	out := make(map[layout.ID]time.Duration)
	if w.layout == nil {
		return out
	}
	for i := range w.layout.Members {
		m := &w.layout.Members[i]
		if a := w.nodes[m.Name.String()]; a.unasked && a.incarnation == m.Incarnation {
			continue
		}
		if silent := w.now.Sub(w.answered[m.Incarnation]); silent > 0 {
			out[m.Incarnation] = silent
		}
	}
	return out
}

// tell is the status as a story shows it.
func (w *world) tell(events []Event) string {
	s := &w.cluster.Status
	var b strings.Builder
	for _, c := range s.Conditions {
		fmt.Fprintf(&b, "%s %s %s since %s: %s\n", c.Type, c.Status, c.Reason, c.LastTransitionTime.Sub(w.began), c.Message)
	}
	fmt.Fprintf(&b, "%s nodes serve, epoch %d, %d keys, %s, memory %q\n", s.Ready, s.Epoch, s.Keys, s.Size, s.Memory)
	shown := 0
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Ready && n.Message == "" && !n.Retiring {
			continue
		}
		if shown++; shown > 3 {
			fmt.Fprintf(&b, "  ...\n")
			break
		}
		fmt.Fprintf(&b, "  %s [%s] %s", n.Name, n.Phase, n.Message)
		if n.Retiring {
			fmt.Fprintf(&b, " (goes; safe to delete: %t, %s)", n.SafeToDelete, n.SafeToDeleteReason)
		}
		b.WriteString("\n")
	}
	for _, e := range events {
		fmt.Fprintf(&b, "event %s %s: %s\n", e.Type, e.Reason, e.Message)
	}
	return b.String()
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	check(t, err)
	return n
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
