package conditions

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/placement"
)

var clusterID = layout.ID{0xc}

// world is a cluster as a story tells it: pods, the processes in them, and an operator
// that takes the steps that placement says.
type world struct {
	cluster *v1alpha1.SeppenCluster
	began   time.Time
	now     time.Time
	shards  int
	copies  int
	names   []layout.Name
	nodes   map[string]*actor
	layout  *layout.Layout
	stop    *Stop
	stuck   bool   // the layout cannot be written
	lives   uint16 // incarnations so far
	pods    int    // addresses so far
}

// actor is a node: its pod and its process.
type actor struct {
	pod         *corev1.Pod
	incarnation layout.ID
	has         *layout.Layout // what its process has heard of
	reason      string         // why it does not serve, if its layout is not why
	keys        int64          // of each slot
	bytes       int64          // of each slot
	silent      string         // why it does not answer
	unasked     bool
	outdated    bool
}

func newWorld() *world {
	began := time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)
	return &world{
		cluster: &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "ns", Generation: 1}},
		began:   began, now: began, nodes: make(map[string]*actor),
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
	case "stop":
		w.stop = &Stop{Reason: what, Message: more}
	case "go":
		w.stop = nil
	case "edit":
		w.cluster.Generation++
	case "layout":
		switch what {
		case "lost":
			w.layout = nil
		case "healed":
			w.layout = w.healed()
		default:
			w.stuck = what == "stuck"
		}
	case "status":
		w.cluster.Status = v1alpha1.SeppenClusterStatus{}
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
	_, err := fmt.Sscanf(text, "shards=%d copies=%d", &w.shards, &w.copies)
	check(t, err)
	w.names, err = layout.Names("c", w.shards, w.copies)
	check(t, err)
	for _, n := range w.names {
		w.nodes[n.String()] = &actor{}
	}
}

// healed is a layout in which those who came back have taken their predecessors' places.
func (w *world) healed() *layout.Layout {
	next := &layout.Layout{Cluster: w.layout.Cluster, Epoch: w.layout.Epoch + 1}
	for _, m := range w.layout.Members {
		later := func(o layout.Member) bool { return o.Name == m.Name && o.JoinEpoch > m.JoinEpoch }
		if !slices.ContainsFunc(w.layout.Members, later) {
			m.Phase = layout.Serving
			next.Members = append(next.Members, m)
		}
	}
	next.Segments = layout.SegmentsOf(next.Members, next.Epoch)
	return next
}

// act has something happen to a node.
func (w *world) act(t *testing.T, name, what, more string) {
	t.Helper()
	a := w.nodes[name]
	switch what {
	case "pending":
		a.pod, a.incarnation = pod(name), layout.ID{}
		a.container().State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	case "unschedulable":
		a.pod, a.incarnation = pod(name), layout.ID{}
		a.pod.Status.ContainerStatuses = nil
		a.pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: more,
		}}
	case "waits":
		a.pod, a.incarnation = pod(name), layout.ID{}
		reason, message, _ := strings.Cut(more, " ")
		a.container().State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	case "runs":
		w.run(name, a)
	case "exits", "crashes":
		code, reason, _ := strings.Cut(more, " ")
		ended := &corev1.ContainerStateTerminated{
			ExitCode: int32(number(t, code)), Reason: reason, StartedAt: metav1.NewTime(w.now.Add(-time.Minute)), FinishedAt: metav1.NewTime(w.now),
		}
		a.incarnation = layout.ID{}
		s := a.container()
		s.State = corev1.ContainerState{Terminated: ended}
		if what == "crashes" {
			s.RestartCount++
			s.LastTerminationState = s.State
			s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: crashLoop, Message: "back-off 5m0s"}}
		}
	case "deleted":
		*a = actor{keys: a.keys, bytes: a.bytes}
	case "silent":
		a.silent = more
	case "answers":
		a.silent, a.unasked = "", false
	case "unasked":
		a.unasked = true
	case "outdated":
		a.outdated = true
	case "says":
		a.reason = more
	case "serves":
		a.reason = ""
	case "stores": // so many keys and bytes of each slot
		_, err := fmt.Sscanf(more, "%d %d", &a.keys, &a.bytes)
		check(t, err)
	default:
		t.Fatalf("%s: what is %q?", name, what)
	}
}

// run starts a process: in the pod that there is, or in a new one.
func (w *world) run(name string, a *actor) {
	if a.pod == nil || len(a.pod.Status.ContainerStatuses) == 0 {
		a.pod = pod(name)
	}
	s := a.container()
	if s.State.Terminated != nil {
		s.RestartCount++
		s.LastTerminationState = s.State
	}
	s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(w.now)}}
	a.pod.Status.Phase = corev1.PodRunning
	if a.pod.Status.PodIP == "" {
		w.pods++
		a.pod.Status.PodIP = fmt.Sprintf("10.0.%d.%d", w.pods/250, w.pods%250+1)
	}
	w.lives++
	a.incarnation = layout.ID{byte(w.lives >> 8), byte(w.lives)}
	a.has, a.silent, a.unasked, a.reason, a.outdated = nil, "", false, "", false
}

func pod(name string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Containers = []corev1.Container{{Name: "seppen", Image: "seppen:1"}}
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "seppen", Image: "seppen:1"}}
	return p
}

func (a *actor) container() *corev1.ContainerStatus { return &a.pod.Status.ContainerStatuses[0] }

// says is what the process answers, nil if it does not.
func (a *actor) says() *peer.Status {
	if a.incarnation == (layout.ID{}) || a.silent != "" || a.unasked {
		return nil
	}
	s := &peer.Status{Incarnation: a.incarnation, Ready: true, MemoryLimit: 1 << 30}
	var me *layout.Member
	if a.has != nil {
		s.Cluster, s.Epoch = a.has.Cluster, a.has.Epoch
		table := layout.NewTable(a.has)
		if me = table.Member(a.incarnation); me != nil {
			s.Phase = me.Phase.String()
			a.count(s, me, table)
		}
	}
	switch {
	case a.has == nil:
		s.Reason = "no layout yet"
	case me == nil:
		s.Reason = fmt.Sprintf("not in layout %d", a.has.Epoch)
	case me.Phase == layout.Joining:
		s.Reason = "joining: requests are passed on to the owners, nothing is held here yet"
	default:
		s.Reason = a.reason
	}
	s.Ready = s.Reason == ""
	return s
}

// count has a member report what its segments hold.
func (a *actor) count(s *peer.Status, me *layout.Member, table *layout.Table) {
	for i, seg := range table.Layout.Segments {
		end := layout.Slots
		if i+1 < len(table.Layout.Segments) {
			end = int(table.Layout.Segments[i+1].Lo)
		}
		if !slices.Contains(table.Owners(seg.Lo).Ack, me) {
			continue
		}
		n := int64(end - int(seg.Lo))
		s.Segments = append(s.Segments, peer.SegmentStatus{Lo: seg.Lo, Keys: n * a.keys, Bytes: n * a.bytes})
		s.Keys += n * a.keys
		s.MemoryUsed += n * a.bytes
	}
}

// reconcile is what the operator does: a step of the layout, then the status. The nodes
// hear of the layout afterwards.
func (w *world) reconcile() (*Facts, []Event) {
	f := &Facts{
		Cluster: w.cluster.DeepCopy(), Now: w.now, Names: w.names, Shards: w.shards, Copies: w.copies, Stop: w.stop,
		SecretName: "c-secret", Selector: "app.kubernetes.io/instance=c",
	}
	var seen []placement.Observation
	for _, name := range w.names {
		a := w.nodes[name.String()]
		n := Node{Name: name, Host: name.String() + ".c-nodes.ns.svc", Pod: a.pod, Status: a.says(), Outdated: a.outdated}
		if !a.unasked {
			n.Err = a.silent
		}
		if n.Status != nil {
			seen = append(seen, placement.Observation{
				Name: name, Address: a.pod.Status.PodIP + ":21286", Incarnation: a.incarnation, Cluster: n.Status.Cluster, Epoch: n.Status.Epoch,
			})
		}
		f.Nodes = append(f.Nodes, n)
	}
	if !w.stuck && (w.layout != nil || w.stop == nil) {
		next, step := placement.Next(clusterID, w.layout, w.names, placement.World{Seen: seen})
		if f.Step = step; next != nil {
			w.layout, f.Stepped = next, true
		}
	}
	f.Layout = w.layout
	status, events := Of(f)
	w.cluster.Status = status
	for _, a := range w.nodes {
		if w.layout != nil && a.says() != nil {
			a.has = w.layout
		}
	}
	return f, events
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
		if n.Ready && n.Message == "" {
			continue
		}
		if shown++; shown > 3 {
			fmt.Fprintf(&b, "  ...\n")
			break
		}
		fmt.Fprintf(&b, "  %s [%s] %s\n", n.Name, n.Phase, n.Message)
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
