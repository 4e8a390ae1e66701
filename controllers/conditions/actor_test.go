package conditions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// actor is a node: its pod and its process.
type actor struct {
	pod         *corev1.Pod
	earlier     *corev1.Pod // of its name, of an earlier cluster
	absent      time.Duration
	incarnation layout.ID
	has         *layout.Layout // what its process has heard of
	active      map[tenure]bool
	reason      string // why it does not serve, if its layout is not why
	keys        int64  // of each slot
	bytes       int64  // of each slot
	left        int64  // bytes that it has still to copy
	silent      string // why it answers nobody
	hidden      string // why it does not answer the operator
	unasked     bool
	outdated    bool
	moves       bool // its machine is being emptied
	ending      bool // it was told to stop
	retired     bool
}

// tenure is a segment in a view.
type tenure struct {
	lo   uint8
	view uint64
}

// act has something happen to a node.
func (w *world) act(t *testing.T, name, what, more string) {
	t.Helper()
	a := w.nodes[name]
	switch what {
	case "pending":
		w.newPod(name, a)
		a.container().State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	case "absent": // for a while
		d, err := time.ParseDuration(more)
		check(t, err)
		a.absent = d
	case "follows": // an earlier pod that ends after a while
		a.earlier = w.endingPod(t, name, more)
	case "unschedulable":
		w.newPod(name, a)
		a.pod.Status.ContainerStatuses = nil
		a.pod.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: more,
		}}
	case "waits":
		w.newPod(name, a)
		reason, message, _ := strings.Cut(more, " ")
		a.container().State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
	case "runs":
		w.run(name, a)
	case "exits", "crashes":
		w.exit(t, a, what == "crashes", more)
	case "deleted": // and its kubelet said that the process ended
		w.dead[a.incarnation] = "its container ended (exit code 0)"
		*a = actor{keys: a.keys, bytes: a.bytes}
	case "forced": // deleted, and nobody said so
		*a = actor{keys: a.keys, bytes: a.bytes}
	case "leaves": // deleted by force, and others hear of its process
		w.ghosts[a.incarnation] = true
		*a = actor{keys: a.keys, bytes: a.bytes}
	case "ends": // that process
		clear(w.ghosts)
	case "presumed":
		w.dead[w.member(name)] = "a person says so (seppen.io/presumed-dead)"
	case "silent":
		a.silent = more
	case "hidden":
		a.hidden = more
	case "answers":
		a.silent, a.hidden, a.unasked = "", "", false
	case "unasked":
		a.unasked = true
	case "moves":
		a.moves = true
	case "ending":
		a.ending = true
		a.pod.DeletionTimestamp = new(metav1.NewTime(w.now.Add(6 * time.Minute)))
	case "outdated":
		a.outdated = true
	case "updated": // as it is of the template of now
		a.outdated = false
	case "says":
		a.reason = more
	case "serves":
		a.reason = ""
	case "stores": // so many keys and bytes of each slot
		_, err := fmt.Sscanf(more, "%d %d", &a.keys, &a.bytes)
		check(t, err)
	case "lacks": // so many bytes, while it joins
		a.left = int64(number(t, more))
	default:
		t.Fatalf("%s: what is %q?", name, what)
	}
}

func (w *world) newPod(name string, a *actor) {
	w.pods++
	a.pod, a.earlier, a.absent, a.incarnation = pod(name), nil, 0, layout.ID{}
	a.pod.UID = types.UID(fmt.Sprint("pod-", w.pods))
}

// endingPod is one that is to end after a while.
func (w *world) endingPod(t *testing.T, name, after string) *corev1.Pod {
	t.Helper()
	d, err := time.ParseDuration(after)
	check(t, err)
	p := pod(name)
	p.DeletionTimestamp, p.Spec.NodeName = new(metav1.NewTime(w.now.Add(d))), "m1"
	return p
}

// member is the first one of a name.
func (w *world) member(name string) layout.ID {
	for _, m := range w.layout.Members {
		if m.Name.String() == name {
			return m.Incarnation
		}
	}
	return layout.ID{}
}

func (w *world) exit(t *testing.T, a *actor, loops bool, how string) {
	t.Helper()
	code, reason, _ := strings.Cut(how, " ")
	ended := &corev1.ContainerStateTerminated{
		ExitCode: int32(number(t, code)), Reason: reason, StartedAt: metav1.NewTime(w.now.Add(-time.Minute)), FinishedAt: metav1.NewTime(w.now),
	}
	w.dead[a.incarnation] = "its container ended (" + exitOf(ended) + ")"
	a.incarnation = layout.ID{}
	s := a.container()
	s.State = corev1.ContainerState{Terminated: ended}
	if loops {
		s.RestartCount++
		s.LastTerminationState = s.State
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: crashLoop, Message: "back-off 5m0s"}}
	}
}

// run starts a process: in the pod that there is, or in a new one.
func (w *world) run(name string, a *actor) {
	if a.pod == nil || len(a.pod.Status.ContainerStatuses) == 0 {
		w.newPod(name, a)
	}
	s := a.container()
	if s.State.Terminated != nil {
		s.RestartCount++
		s.LastTerminationState = s.State
	}
	s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(w.now)}}
	a.pod.Status.Phase = corev1.PodRunning
	a.pod.Status.PodIP = "10.0.0.1"
	a.has, a.silent, a.hidden, a.unasked, a.reason, a.outdated = nil, "", "", false, "", false
	a.moves, a.ending, a.retired = false, false, false
	w.begin(a)
}

func (w *world) begin(a *actor) {
	w.lives++
	a.incarnation, a.active = layout.ID{byte(w.lives >> 8), byte(w.lives)}, make(map[tenure]bool)
}

// adopt has a node take in the layout. One that was a member and is none goes on as
// another incarnation, but for one that was leaving.
func (w *world) adopt(a *actor) {
	var was *layout.Member
	if a.has != nil {
		was = layout.NewTable(a.has).Member(a.incarnation)
	}
	a.has = w.layout
	switch {
	case was == nil || layout.NewTable(a.has).Member(a.incarnation) != nil:
	case was.Phase == layout.Leaving:
		a.retired = true
	default:
		w.begin(a)
	}
}

func pod(name string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Containers = []corev1.Container{{Name: "seppen", Image: "seppen:1"}}
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "seppen", Image: "seppen:1"}}
	return p
}

func (a *actor) container() *corev1.ContainerStatus { return &a.pod.Status.ContainerStatuses[0] }

// lives tells whether a process runs and other nodes hear of it.
func (a *actor) lives() bool { return a.incarnation != (layout.ID{}) && a.silent == "" }

// says is what the process answers, nil if it does not.
func (w *world) says(a *actor) *peer.Status {
	if !a.lives() || a.hidden != "" || a.unasked {
		return nil
	}
	s := &peer.Status{Incarnation: a.incarnation, Ready: true, MemoryLimit: 1 << 30}
	s.Reason = "no layout yet"
	s.Ending, s.Retired = a.ending, a.retired
	if a.has != nil {
		s.Cluster, s.Epoch, s.Reason = a.has.Cluster, a.has.Epoch, ""
		w.describe(a, s)
	}
	s.Ready = s.Reason == ""
	return s
}

// describe says what the layout makes of a process.
func (w *world) describe(a *actor, s *peer.Status) {
	table := layout.NewTable(a.has)
	me := table.Member(a.incarnation)
	if me == nil {
		s.Reason = fmt.Sprintf("not in layout %d", a.has.Epoch)
		return
	}
	s.Phase, s.Purged = me.Phase.String(), a.has.Epoch
	if me.Phase != layout.Serving {
		s.Reason, s.CopyBytesLeft = me.Phase.String(), a.left
	}
	for i, g := range a.has.Segments {
		if me.Name.Range.Contains(g.Lo) {
			is := w.segment(a, me, table, i)
			if me.Phase == layout.Serving && table.Owners(g.Lo).Primary == me && !is.Active {
				s.Reason = "has not taken over yet"
			}
			s.Segments = append(s.Segments, is)
			s.Keys, s.MemoryUsed = s.Keys+is.Keys, s.MemoryUsed+is.Bytes
		}
	}
	if a.left > 0 && me.Phase != layout.Serving {
		s.MemoryUsed = max(100_000-a.left, 0)
	}
	if a.ending {
		s.Reason = "ending"
	}
	if a.reason != "" {
		s.Reason = a.reason
	}
	for _, m := range a.has.Members {
		if m.Incarnation != a.incarnation {
			p := peer.PeerStatus{Incarnation: m.Incarnation, Silent: time.Hour.Milliseconds()}
			cut := slices.Contains(w.cut, me.Name.String()) && slices.Contains(w.cut, m.Name.String())
			if w.alive(m.Incarnation) && !cut {
				p.Silent = 0
			}
			if cut {
				s.Lease = leaseLost
			}
			s.Peers = append(s.Peers, p)
		}
	}
}

func (w *world) alive(incarnation layout.ID) bool {
	for _, a := range w.nodes {
		if a.incarnation == incarnation {
			return a.lives()
		}
	}
	return w.ghosts[incarnation]
}

// segment is how a member is doing with segment i.
func (w *world) segment(a *actor, me *layout.Member, table *layout.Table, i int) peer.SegmentStatus {
	g := &table.Layout.Segments[i]
	end := layout.Slots
	if i+1 < len(table.Layout.Segments) {
		end = int(table.Layout.Segments[i+1].Lo)
	}
	n := int64(end - int(g.Lo))
	s := peer.SegmentStatus{Lo: g.Lo, View: g.View}
	o := table.Owners(g.Lo)
	active := o.Primary != nil && !slices.ContainsFunc(o.Ack, func(m *layout.Member) bool { return !w.has(m.Incarnation, g.View) })
	if active && o.Primary == me {
		a.active[tenure{g.Lo, g.View}] = true
	}
	s.Active = a.active[tenure{g.Lo, g.View}]
	serves := isCopy(me)
	s.Copied = serves || a.left == 0 && o.Primary != nil && w.alive(o.Primary.Incarnation)
	s.Complete = serves || a.left == 0 && active && me.Phase == layout.Attached
	if s.Copied && (me.Phase.Acknowledges() || me.Phase == layout.Joining) {
		s.Keys, s.Bytes = n*a.keys, n*a.bytes
	}
	return s
}

// has tells whether a process lives and has adopted a view.
func (w *world) has(incarnation layout.ID, view uint64) bool {
	for _, a := range w.nodes {
		if a.incarnation == incarnation {
			return a.lives() && a.has != nil && a.has.Epoch >= view
		}
	}
	return w.ghosts[incarnation]
}
