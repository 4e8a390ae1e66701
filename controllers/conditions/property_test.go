package conditions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
)

// drawn are facts, and what they were made to mean.
type drawn struct {
	*Facts
	alive   map[layout.ID]bool // answers
	dead    map[layout.ID]bool // memory gone
	unasked bool               // some member
}

var texts = rapid.SampledFrom([]string{
	"", "no layout yet", "stopping", "ImagePull: not really", restartedOut, "a\nb\tc", "\xff\xfe", strings.Repeat("wörter ", 400), "ends with a stop.",
})

func drawFacts(t *rapid.T, names []layout.Name, now time.Time) *drawn {
	d := &drawn{alive: map[layout.ID]bool{}, dead: map[layout.ID]bool{}}
	d.Facts = &Facts{
		Cluster: &v1alpha1.SeppenCluster{}, Now: now, Names: names, Shards: len(names), Copies: 1,
		Step: texts.Draw(t, "step"), Stepped: rapid.Bool().Draw(t, "stepped"), SecretName: "s", Selector: "a=b",
	}
	d.Cluster.Generation = rapid.Int64Range(1, 3).Draw(t, "generation")
	if rapid.IntRange(0, 4).Draw(t, "stop?") == 0 {
		reason := rapid.SampledFrom(stopReasons).Draw(t, "stop")
		d.Stop = &Stop{reason.Reason, texts.Draw(t, "why")}
	}
	if rapid.IntRange(0, 5).Draw(t, "layout?") > 0 {
		d.Layout = drawLayout(t, names)
	}
	for i, name := range names {
		n := Node{Name: name, Host: "h", Outdated: rapid.IntRange(0, 3).Draw(t, "outdated") == 0}
		d.draw(t, i, &n)
		if rapid.IntRange(0, 15).Draw(t, "known") > 0 || d.Layout != nil {
			d.Nodes = append(d.Nodes, n)
		}
	}
	return d
}

// incarnations by place: the first life of a node, the one that joins, a new one.
func life(i, n int) layout.ID { return layout.ID{1, byte(i), byte(n)} }

func address(i, n int) string { return fmt.Sprintf("10.0.%d.%d", n, i) }

func drawLayout(t *rapid.T, names []layout.Name) *layout.Layout {
	l := &layout.Layout{Cluster: clusterID, Epoch: rapid.Uint64Range(1, 3).Draw(t, "epoch")}
	for i, name := range names {
		phase := layout.Serving
		if p := rapid.IntRange(0, 20).Draw(t, "phase"); p < 2 {
			phase = []layout.Phase{layout.Attached, layout.Leaving}[p]
		}
		l.Members = append(l.Members, layout.Member{Name: name, Address: address(i, 0) + ":1", Incarnation: life(i, 0), JoinEpoch: 1, Phase: phase})
	}
	for i, name := range names {
		if l.Epoch > 1 && rapid.IntRange(0, 2).Draw(t, "joining?") == 0 {
			joined := rapid.Uint64Range(2, l.Epoch).Draw(t, "joined")
			l.Members = append(l.Members, layout.Member{Name: name, Address: address(i, 1) + ":1", Incarnation: life(i, 1), JoinEpoch: joined, Phase: layout.Joining})
		}
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	return l
}

// draw makes up what is known of a node, and keeps what that means for its first life.
func (d *drawn) draw(t *rapid.T, i int, n *Node) {
	first, joins := life(i, 0), false
	if d.Layout != nil {
		joins = slices.ContainsFunc(d.Layout.Members, func(m layout.Member) bool { return m.Incarnation == life(i, 1) })
	}
	n.Pod = drawPod(t, n.Name.String(), address(i, 0))
	runs := n.Pod.Status.Phase == corev1.PodRunning && n.Pod.Status.ContainerStatuses[0].State.Running != nil
	switch kind := rapid.IntRange(0, 7).Draw(t, "kind"); kind {
	case 0:
		n.Pod, n.Err = nil, texts.Draw(t, "err")
		d.dead[first] = true
	case 1: // another pod
		n.Pod.Status.PodIP = address(i, 1)
		d.dead[first] = true
		d.unasked = d.unasked || joins && runs
	case 2:
		n.Err = "connection refused"
		d.dead[first] = !runs || joins
	case 3:
		d.dead[first] = !runs || joins
		d.unasked = d.unasked || runs && !joins
	case 4, 5: // some later life
		n.Status = d.drawStatus(t, life(i, kind-3))
		d.dead[first] = true
	default:
		n.Status = d.drawStatus(t, first)
		d.alive[first] = true
	}
}

func (d *drawn) drawStatus(t *rapid.T, incarnation layout.ID) *peer.Status {
	s := &peer.Status{
		Incarnation: incarnation, Ready: rapid.IntRange(0, 5).Draw(t, "ready") > 0, Reason: texts.Draw(t, "reason"),
		Keys: 7, MemoryUsed: 1 << 20, MemoryLimit: 1 << 30,
	}
	if rapid.Bool().Draw(t, "has layout") {
		s.Cluster, s.Epoch = clusterID, rapid.Uint64Range(1, 4).Draw(t, "epoch")
		s.Segments = []peer.SegmentStatus{{Lo: rapid.Byte().Draw(t, "lo"), Keys: 5, Bytes: 50}}
	}
	return s
}

func drawPod(t *rapid.T, name, ip string) *corev1.Pod {
	p := pod(name)
	p.Status.PodIP = ip
	p.Status.Phase = rapid.SampledFrom([]corev1.PodPhase{
		corev1.PodPending, corev1.PodRunning, corev1.PodRunning, corev1.PodRunning, corev1.PodFailed, corev1.PodSucceeded,
	}).Draw(t, "phase")
	if rapid.IntRange(0, 5).Draw(t, "deleted") == 0 {
		p.DeletionTimestamp = new(metav1.Now())
	}
	if rapid.IntRange(0, 5).Draw(t, "unschedulable") == 0 {
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: texts.Draw(t, "scheduler"),
		}}
	}
	s := &p.Status.ContainerStatuses[0]
	ended := &corev1.ContainerStateTerminated{ExitCode: 3, Message: texts.Draw(t, "exit")}
	s.RestartCount = rapid.Int32Range(0, 3).Draw(t, "restarts")
	if s.RestartCount > 0 {
		s.LastTerminationState.Terminated = ended
	}
	switch rapid.IntRange(0, 5).Draw(t, "state") {
	case 0:
		reason := rapid.SampledFrom([]string{"ContainerCreating", crashLoop, "ErrImagePull", "CreateContainerError"}).Draw(t, "waits")
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: texts.Draw(t, "kubelet")}
	case 1:
		s.State.Terminated = ended
	default:
		s.State.Running = &corev1.ContainerStateRunning{}
	}
	return p
}

// TestProperties makes up cluster after cluster, each with some history of statuses.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names, err := layout.Names("c", rapid.IntRange(1, 7).Draw(t, "shards"), rapid.IntRange(1, 4).Draw(t, "copies"))
		if err != nil {
			t.Fatal(err)
		}
		before := v1alpha1.SeppenClusterStatus{}
		for step := range rapid.IntRange(1, 4).Draw(t, "steps") {
			now := time.Date(2026, 11, 1, 10, step, 0, 999_123_456, time.UTC)
			d := drawFacts(t, names, now)
			d.Cluster.Status = *before.DeepCopy()
			hash := d.hash()
			status, events := Of(d.Facts)
			again, eventsAgain := Of(d.Facts)
			if diff := cmp.Diff(status, again) + cmp.Diff(events, eventsAgain); diff != "" {
				t.Fatalf("not deterministic: %s", diff)
			}
			if d.hash() != hash {
				t.Fatal("the facts were changed")
			}
			bounded(t, &status, events)
			known(t, &status, events)
			d.ready(t, &status)
			d.degraded(t, &status)
			transitions(t, &before, &status, now)
			d.Cluster.Status, d.Now = *status.DeepCopy(), now.Add(time.Second)
			twice, more := Of(d.Facts)
			if diff := cmp.Diff(status, twice); diff != "" || len(more) > 0 {
				t.Fatalf("told twice: %v %s", more, diff)
			}
			before = status
		}
	})
}

// hash spells all facts.
func (d *drawn) hash() string {
	text := fmt.Sprintf("%+v %+v %+v %+v", d.Facts, d.Cluster, d.Stop, d.Layout)
	for _, n := range d.Nodes {
		text += fmt.Sprintf("%+v %+v", n.Pod, n.Status)
	}
	return text
}

func bounded(t *rapid.T, s *v1alpha1.SeppenClusterStatus, events []Event) {
	var messages []string
	for _, c := range s.Conditions {
		messages = append(messages, c.Message)
	}
	for _, n := range s.Nodes {
		messages = append(messages, n.Message)
	}
	for _, e := range events {
		messages = append(messages, e.Message)
	}
	for _, m := range messages {
		if len(m) > 1024 || !utf8.ValidString(m) || strings.ContainsAny(m, "\n\t") {
			t.Fatalf("%d bytes: %q", len(m), m)
		}
	}
}

var reasonSyntax = regexp.MustCompile(`^[A-Z][A-Za-z]*$`)

func known(t *rapid.T, s *v1alpha1.SeppenClusterStatus, events []Event) {
	for i, condition := range []string{Ready, Progressing, Degraded} {
		c := s.Conditions[i]
		if c.Type != condition || len(s.Conditions) != 3 || !reasonSyntax.MatchString(c.Reason) {
			t.Fatalf("conditions %v", s.Conditions)
		}
		if !slices.ContainsFunc(Reasons(), func(r Reason) bool {
			return r.Condition == c.Type && r.Status == string(c.Status) && r.Reason == c.Reason
		}) {
			t.Fatalf("not in the table: %s %s %s", c.Type, c.Status, c.Reason)
		}
	}
	for _, e := range events {
		if !slices.ContainsFunc(eventReasons(), func(r eventReason) bool { return r.Type == e.Type && r.Reason == e.Reason }) {
			t.Fatalf("not in the table: event %s %s", e.Type, e.Reason)
		}
	}
}

// ready: true exactly if every member of every slot that acknowledges writes answers,
// in the life that the layout names, that it is ready.
func (d *drawn) ready(t *rapid.T, s *v1alpha1.SeppenClusterStatus) {
	if d.Layout != nil && d.unasked {
		return
	}
	want := d.Layout != nil
	if d.Layout != nil {
		for _, seg := range d.Layout.Segments {
			for _, i := range seg.Order {
				m := d.Layout.Members[i]
				answers := slices.ContainsFunc(d.Nodes, func(n Node) bool {
					return n.Status != nil && n.Status.Incarnation == m.Incarnation && n.Status.Ready
				})
				want = want && (answers || !m.Phase.Acknowledges())
			}
		}
	}
	for i, n := range s.Nodes {
		var id layout.ID
		if answer := d.Nodes[i].Status; answer != nil {
			id = answer.Incarnation
		}
		member := d.Layout == nil || slices.ContainsFunc(d.Layout.Members, func(m layout.Member) bool { return m.Incarnation == id })
		if n.Ready && (id == layout.ID{} || !member) {
			t.Fatalf("%s is ready and no member answers", n.Name)
		}
	}
	if got := meta.IsStatusConditionTrue(s.Conditions, Ready); got != want {
		t.Fatalf("Ready %t, not %t", got, want)
	}
}

func (d *drawn) degraded(t *rapid.T, s *v1alpha1.SeppenClusterStatus) {
	if d.Layout == nil || d.unasked {
		return
	}
	want := AllCopies
	worse := func(reason string) {
		order := []string{AllCopies, NodeUnreachable, CopiesMissing, SlotsLost}
		if slices.Index(order, reason) > slices.Index(order, want) {
			want = reason
		}
	}
	for _, seg := range d.Layout.Segments {
		all, dead := 0, 0
		for _, i := range seg.Order {
			m := d.Layout.Members[i]
			if m.Phase == layout.Attached {
				continue
			}
			all++
			if d.dead[m.Incarnation] {
				dead++
			} else if !d.alive[m.Incarnation] {
				worse(NodeUnreachable)
			}
		}
		if dead > 0 {
			worse(CopiesMissing)
		}
		if dead > 0 && dead == all {
			worse(SlotsLost)
		}
	}
	if c := meta.FindStatusCondition(s.Conditions, Degraded); c.Reason != want {
		t.Fatalf("Degraded %s, not %s: %s", c.Reason, want, c.Message)
	}
}

// transitions: the time of a condition changes when its status does, and only then.
func transitions(t *rapid.T, before, after *v1alpha1.SeppenClusterStatus, now time.Time) {
	for _, c := range after.Conditions {
		want := metav1.NewTime(now.Truncate(time.Second))
		if b := meta.FindStatusCondition(before.Conditions, c.Type); b != nil && b.Status == c.Status {
			want = b.LastTransitionTime
		}
		if !c.LastTransitionTime.Equal(&want) {
			t.Fatalf("%s since %s, not %s", c.Type, c.LastTransitionTime, want)
		}
	}
}
