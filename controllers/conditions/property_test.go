package conditions

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
)

// drawn are facts, and what they were made to mean.
type drawn struct {
	*Facts
	answer map[layout.ID]*peer.Status
	heard  map[layout.ID]bool // by somebody
}

var texts = rapid.SampledFrom([]string{
	"", "no layout yet", "stopping", "ImagePull: not really", "a\nb\tc", "\xff\xfe", strings.Repeat("wörter ", 400), "ends with a stop.",
})

func drawFacts(t *rapid.T, names []layout.Name, now time.Time) *drawn {
	d := &drawn{answer: map[layout.ID]*peer.Status{}, heard: map[layout.ID]bool{}}
	d.Facts = &Facts{
		Cluster: &v1alpha1.SeppenCluster{}, Now: now, Names: names, Shards: len(names), Copies: 1,
		Step: texts.Draw(t, "step"), Stepped: rapid.Bool().Draw(t, "stepped"), SecretName: "s", Selector: "a=b",
		Silent: map[layout.ID]time.Duration{}, Dead: map[layout.ID]string{},
	}
	d.Cluster.Generation = rapid.Int64Range(1, 3).Draw(t, "generation")
	if rapid.IntRange(0, 4).Draw(t, "stop?") == 0 {
		reason := rapid.SampledFrom(stopReasons).Draw(t, "stop")
		d.Stop = &Stop{reason.Reason, texts.Draw(t, "why")}
	}
	if rapid.IntRange(0, 3).Draw(t, "seen?") == 0 {
		d.Cluster.Annotations = map[string]string{LossesSeen: rapid.SampledFrom([]string{"1", "3", "x"}).Draw(t, "seen")}
	}
	if rapid.IntRange(0, 5).Draw(t, "layout?") > 0 {
		d.Layout = drawLayout(t, names)
		d.Before, d.Told, d.Died = drawLayout(t, names), drawLayout(t, names), d.Dead
	}
	d.Stepped = d.Stepped && d.Layout != nil
	for i, name := range names {
		some := func(what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }
		n := Node{
			Name: name, Host: "h", Outdated: some("outdated"), Old: some("old"), Moves: some("moves"), Ends: some("ends"),
			Going: some("going"), Waiting: some("waiting"),
		}
		d.draw(t, i, &n)
		if rapid.IntRange(0, 15).Draw(t, "known") > 0 || d.Layout != nil {
			d.Nodes = append(d.Nodes, n)
		}
	}
	return d
}

// incarnations by place: the first life of a node, the one that joins, a new one.
func life(i, n int) layout.ID { return layout.ID{1, byte(i), byte(n)} }

func home(i, n int) string { return fmt.Sprintf("pod-%d-%d", i, n) }

// drawLayout has a member for most names, of some two.
func drawLayout(t *rapid.T, names []layout.Name) *layout.Layout {
	l := &layout.Layout{Cluster: clusterID, Epoch: rapid.Uint64Range(1, 3).Draw(t, "epoch")}
	for i, name := range names {
		phase := layout.Serving
		if p := rapid.IntRange(0, 20).Draw(t, "phase"); p < 2 {
			phase = []layout.Phase{layout.Attached, layout.Leaving}[p]
		}
		l.Members = append(l.Members, layout.Member{Name: name, Address: "10.0.0.1:1", Home: home(i, 0), Incarnation: life(i, 0), JoinEpoch: 1, Phase: phase})
	}
	for i, name := range names {
		if l.Epoch > 1 && rapid.IntRange(0, 2).Draw(t, "joining?") == 0 {
			joined := rapid.Uint64Range(2, l.Epoch).Draw(t, "joined")
			where := home(i, rapid.IntRange(0, 1).Draw(t, "home"))
			l.Members = append(l.Members, layout.Member{Name: name, Address: "10.0.0.1:1", Home: where, Incarnation: life(i, 1), JoinEpoch: joined, Phase: layout.Joining})
		}
	}
	if out := rapid.IntRange(0, 3).Draw(t, "removed?"); out == 0 && l.Epoch > 1 {
		fewer := slices.Delete(slices.Clone(l.Members), 0, 1)
		if len(layout.Uncovered((&layout.Layout{Members: owners(fewer)}).Names())) == 0 {
			l.Members = fewer
		}
	}
	l.Segments = layout.SegmentsOf(l.Members, rapid.Uint64Range(1, l.Epoch).Draw(t, "view"))
	for i := range l.Segments {
		if rapid.IntRange(0, 9).Draw(t, "lost?") == 0 {
			l.Segments[i].Loss = rapid.Uint64Range(1, l.Epoch).Draw(t, "loss")
		}
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	return l
}

func owners(members []layout.Member) []layout.Member {
	return slices.DeleteFunc(slices.Clone(members), func(m layout.Member) bool { return !m.Phase.Acknowledges() })
}

// draw makes up what is known of a node. Of its lives one answers or none.
func (d *drawn) draw(t *rapid.T, i int, n *Node) {
	if rapid.IntRange(0, 5).Draw(t, "pod?") > 0 {
		n.Pod = drawPod(t, n.Name.String(), home(i, rapid.IntRange(0, 1).Draw(t, "pod")))
	}
	if who := rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2, -1, -1}).Draw(t, "answers"); who >= 0 {
		n.Status = d.drawStatus(t, life(i, who))
		d.answer[life(i, who)] = n.Status
	} else if rapid.Bool().Draw(t, "tried") {
		n.Err = texts.Draw(t, "err")
	}
	for k := range 2 {
		id := life(i, k)
		if d.answer[id] != nil {
			continue
		}
		d.Silent[id] = rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(t, "silent")
		if rapid.IntRange(0, 2).Draw(t, "dead?") == 0 {
			d.Dead[id] = texts.Draw(t, "proof")
		}
	}
}

func (d *drawn) drawStatus(t *rapid.T, incarnation layout.ID) *peer.Status {
	s := &peer.Status{
		Incarnation: incarnation, Ready: rapid.IntRange(0, 5).Draw(t, "ready") > 0, Reason: texts.Draw(t, "reason"),
		Keys: 7, MemoryUsed: 1 << 20, MemoryLimit: 1 << 30,
		CopyBytesLeft: rapid.SampledFrom([]int64{0, 1, 1 << 30}).Draw(t, "left"),
		Lease:         rapid.SampledFrom([]string{"", "held", "held", "held", "lost"}).Draw(t, "lease"),
	}
	if rapid.Bool().Draw(t, "peers") {
		who := life(rapid.IntRange(0, 6).Draw(t, "peer"), 0)
		late := rapid.SampledFrom([]int64{0, 1199, 1200, 90_000}).Draw(t, "late")
		s.Peers = []peer.PeerStatus{{Incarnation: who, Silent: late}}
		d.heard[who] = d.heard[who] || late < 1200
	}
	if rapid.IntRange(0, 5).Draw(t, "has layout") > 0 {
		s.Cluster, s.Epoch = clusterID, rapid.Uint64Range(1, 4).Draw(t, "epoch")
		lag := rapid.IntRange(0, 5).Draw(t, "lag") == 0
		for i := range d.segments() {
			g := peer.SegmentStatus{Lo: d.segments()[i].Lo, Keys: 5, Bytes: 50, View: d.segments()[i].View}
			g.Active = rapid.IntRange(0, 9).Draw(t, "active") > 0
			if lag {
				g.View++
			}
			s.Segments = append(s.Segments, g)
		}
	}
	return s
}

func (d *drawn) segments() []layout.Segment {
	if d.Layout == nil {
		return nil
	}
	return d.Layout.Segments
}

func drawPod(t *rapid.T, name, uid string) *corev1.Pod {
	p := pod(name)
	p.UID = types.UID(uid)
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
			d.lost(t, &before, &status, events)
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
	text := fmt.Sprintf("%+v %+v %+v %+v %+v %+v", d.Facts, d.Cluster, d.Stop, d.Layout, d.Before, d.Told)
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
	for i, condition := range []string{Ready, Progressing, Degraded, DataLost} {
		c := s.Conditions[i]
		if c.Type != condition || len(s.Conditions) != 4 || !reasonSyntax.MatchString(c.Reason) {
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

// Of a member one of these is true.
func (d *drawn) answers(m *layout.Member) bool { return d.answer[m.Incarnation] != nil }

func (d *drawn) dead(m *layout.Member) bool {
	_, dead := d.Dead[m.Incarnation]
	return dead
}

func (d *drawn) lives(m *layout.Member) bool { // as others say
	return !d.answers(m) && !d.dead(m) && d.Silent[m.Incarnation] > time.Second && d.heard[m.Incarnation]
}

func (d *drawn) unknown(m *layout.Member) bool { // it was not asked yet
	if d.answers(m) || d.dead(m) || d.Silent[m.Incarnation] > time.Second {
		return false
	}
	for _, n := range d.Nodes {
		if n.Name == m.Name && (n.Status != nil || n.Err != "" && n.Pod != nil && string(n.Pod.UID) == m.Home) {
			return false
		}
	}
	return true
}

func (d *drawn) asked() bool {
	for _, l := range []*layout.Layout{d.Layout, d.Before} {
		if l != nil && slices.ContainsFunc(l.Members, func(m layout.Member) bool { return d.unknown(&m) }) {
			return false
		}
	}
	return true
}

// ready: true exactly if of every slot the primary says that it is active, in the view that
// the layout names, and holds its leases, and every other owner answers or is heard of. The
// layout is the one that the nodes can have. While it is on its way, or the first one, and
// nothing else is wrong, there are other rules.
func (d *drawn) ready(t *rapid.T, s *v1alpha1.SeppenClusterStatus) {
	for i, n := range s.Nodes {
		if n.Ready && d.Nodes[i].Status == nil && d.asked() {
			t.Fatalf("%s is ready and does not answer", n.Name)
		}
	}
	l := d.Layout
	if d.Stepped {
		l = d.Before
	}
	got := meta.FindStatusCondition(s.Conditions, Ready)
	switch {
	case l == nil:
		if got.Status == metav1.ConditionTrue {
			t.Fatal("ready without a layout")
		}
		return
	case !d.asked() || got.Reason == Starting:
		return
	}
	want, early := true, false
	for i := range l.Segments {
		g := &l.Segments[i]
		primary := true
		for _, j := range g.Order {
			m := &l.Members[j]
			if !m.Phase.Acknowledges() {
				continue
			}
			want = want && (d.answers(m) || d.lives(m))
			if m.Phase == layout.Serving && primary {
				primary = false
				says := d.answer[m.Incarnation]
				early = early || says != nil && says.Epoch < g.View
				want = want && says != nil && (says.Epoch < g.View || says.Lease != "lost" && d.active(says, g))
			}
		}
		want = want && !primary
	}
	if is := got.Status == metav1.ConditionTrue; is != want && (!want || !early) {
		t.Fatalf("Ready %t, not %t: %s", is, want, got.Message)
	}
}

// active tells whether a node says so of a segment, or of one of which it was cut.
func (d *drawn) active(says *peer.Status, g *layout.Segment) bool {
	best := -1
	for i := range says.Segments {
		if lo := int(says.Segments[i].Lo); lo <= int(g.Lo) && (best < 0 || lo > int(says.Segments[best].Lo)) {
			best = i
		}
	}
	return best >= 0 && says.Segments[best].View == g.View && says.Segments[best].Active
}

func (d *drawn) degraded(t *rapid.T, s *v1alpha1.SeppenClusterStatus) {
	if d.Layout == nil || !d.asked() {
		return
	}
	want, missing := AllCopies, int32(0)
	worse := func(reason string) {
		order := []string{AllCopies, NodeUnreachable, CopiesMissing, SlotsLost}
		if slices.Index(order, reason) > slices.Index(order, want) {
			want = reason
		}
	}
	for slot := range layout.Slots {
		all, left, serving := 0, 0, 0
		for _, name := range d.Names {
			if name.Range.Contains(uint8(slot)) {
				all++
			}
		}
		for i := range d.Layout.Members {
			m := &d.Layout.Members[i]
			if m.Phase != layout.Serving && m.Phase != layout.Leaving || !m.Name.Range.Contains(uint8(slot)) {
				continue
			}
			if m.Phase == layout.Serving {
				serving++
			}
			if !d.dead(m) || d.answers(m) {
				left++
			}
			if !d.answers(m) {
				worse(NodeUnreachable)
			}
		}
		if left < all {
			missing += int32(all - left)
			worse(CopiesMissing)
		}
		if left == 0 && serving > 0 {
			worse(SlotsLost)
		}
	}
	if c := meta.FindStatusCondition(s.Conditions, Degraded); c.Reason != want || s.MissingCopies != missing {
		t.Fatalf("Degraded %s, not %s, %d copies missing, not %d: %s", c.Reason, want, s.MissingCopies, missing, c.Message)
	}
}

// lost: each loss that the layout marks is told of, with an event when it is new; one that
// was told of stays, until it is not marked and somebody has seen it.
func (d *drawn) lost(t *rapid.T, before, s *v1alpha1.SeppenClusterStatus, events []Event) {
	seen, _ := strconv.ParseInt(d.Cluster.Annotations[LossesSeen], 10, 64)
	want := make(map[int64]bool)
	told := 0
	for i := range d.segments() {
		if e := int64(d.segments()[i].Loss); e > 0 {
			want[e] = true
		}
	}
	unseen := false
	fresh := len(want)
	for _, l := range before.LostSlots {
		if want[l.Epoch] {
			fresh--
		}
		if l.Epoch > seen {
			want[l.Epoch] = true
		}
	}
	for _, e := range events {
		if e.Reason == SlotsGivenUp {
			told++
		}
	}
	for _, l := range s.LostSlots {
		unseen = unseen || l.Epoch > seen
		if !want[l.Epoch] || l.Slots == "" || l.Count == 0 || l.Time.IsZero() {
			t.Fatalf("%+v, want epochs %v", l, want)
		}
	}
	if len(s.LostSlots) != len(want) || told != fresh || meta.IsStatusConditionTrue(s.Conditions, DataLost) != unseen {
		t.Fatalf("%+v, %d told, want %v, %d new, unseen %t", s.LostSlots, told, want, fresh, unseen)
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
