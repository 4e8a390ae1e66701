package conditions

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
)

// TestWholeStatus has every field of a status once.
func TestWholeStatus(t *testing.T) {
	w := newWorld()
	w.cluster.Generation = 7
	for _, line := range []string{"cluster shards=2 copies=1", "all runs"} {
		w.do(t, line)
	}
	w.reconcile()
	w.do(t, "all stores 2 1024")
	w.do(t, "c-128-255 exits 1")
	w.do(t, "c-128-255 runs")
	for range 2 { // it is dead; it joins
		w.now = w.now.Add(time.Minute)
		w.reconcile()
	}
	w.do(t, "c-128-255 lacks 25000")
	w.now = w.now.Add(time.Minute)
	w.reconcile()
	since := func(d time.Duration) metav1.Time { return metav1.NewTime(w.began.Add(d)) }
	want := v1alpha1.SeppenClusterStatus{
		ObservedGeneration: 7,
		Conditions: []metav1.Condition{
			{
				Type: Ready, Status: metav1.ConditionFalse, Reason: SlotsUnavailable, ObservedGeneration: 7, LastTransitionTime: since(0),
				Message: "Slots 128-255 can be neither read nor written. c-128-255: came back empty, its memory is gone.",
			},
			{
				Type: Progressing, Status: metav1.ConditionTrue, Reason: Joining, ObservedGeneration: 7, LastTransitionTime: since(0),
				Message: "Layout 4: 128-255 are given up, all their owners are dead: c-128-255 begins them empty. c-0-127, c-128-255: layout 4 is on its way.",
			},
			{
				Type: Degraded, Status: metav1.ConditionTrue, Reason: CopiesMissing, ObservedGeneration: 7, LastTransitionTime: since(time.Minute),
				Message: "Slots 128-255 have 0 of 1 copy. c-128-255: copies its slots (70 %).",
			},
			{
				Type: DataLost, Status: metav1.ConditionTrue, Reason: SlotsGivenUp, ObservedGeneration: 7, LastTransitionTime: since(3 * time.Minute),
				Message: "All keys and values of slots 128-255 were lost at 2026-11-01T10:03:00Z. c-128-255: its container ended (exit code 1). Annotate the resource with seppen.io/losses-seen=4 when you have seen this.",
			},
		},
		Epoch: 4, Shards: 2, Copies: 1, Ready: "1/2", Keys: 256, Bytes: 128 << 10, Size: "128 KiB", Memory: "201.2 KiB / 2 GiB",
		MissingCopies: 128,
		LostSlots:     []v1alpha1.SlotLoss{{Epoch: 4, Slots: "128-255", Count: 128, Time: since(3 * time.Minute), Cause: "c-128-255: its container ended (exit code 1)"}},
		SecretName:    "c-secret", Selector: "app.kubernetes.io/instance=c",
		Nodes: []v1alpha1.NodeStatus{
			{
				Name: "c-0-127", Range: "0-127", Host: "c-0-127.c-nodes.ns.svc", Incarnation: "00010000000000000000000000000000", Phase: "serving", Ready: true,
				Keys: 256, Bytes: 128 << 10, SafeToDeleteReason: "0-127 has one copy",
			},
			{
				Name: "c-128-255", Range: "128-255", Host: "c-128-255.c-nodes.ns.svc", Incarnation: "00030000000000000000000000000000", Phase: "attached",
				Message: "restarted (exit code 1): takes part in writes, copies its slots (70 %)", Bytes: 75000, CopyBytesLeft: 25000,
				SafeToDeleteReason: "128-255 has one copy",
			},
		},
	}
	if diff := cmp.Diff(want, w.cluster.Status); diff != "" {
		t.Error(diff)
	}
}

// TestNothing: facts of which nothing is known make a status too.
func TestNothing(t *testing.T) {
	status, events := Of(&Facts{Now: time.Unix(1, 0)})
	if status.Ready != "0/0" || len(status.Conditions) != 4 || len(events) != 0 {
		t.Errorf("%+v %v", status, events)
	}
}

func TestChanged(t *testing.T) {
	base := func() *v1alpha1.SeppenClusterStatus {
		return &v1alpha1.SeppenClusterStatus{
			Epoch: 1, Keys: 1, Nodes: []v1alpha1.NodeStatus{{Name: "c-0-255", Keys: 1}},
			Conditions: []metav1.Condition{{Type: Ready, LastTransitionTime: metav1.NewTime(time.Unix(100, 0))}},
		}
	}
	for _, c := range []struct {
		name           string
		change         func(*v1alpha1.SeppenClusterStatus)
		words, figures bool
	}{
		{"nothing", func(*v1alpha1.SeppenClusterStatus) {}, false, false},
		{"the zone of a time", func(s *v1alpha1.SeppenClusterStatus) {
			s.Conditions[0].LastTransitionTime = metav1.NewTime(time.Unix(100, 0).UTC())
		}, false, false},
		{"keys", func(s *v1alpha1.SeppenClusterStatus) { s.Keys++ }, false, true},
		{"bytes", func(s *v1alpha1.SeppenClusterStatus) { s.Bytes++ }, false, true},
		{"size", func(s *v1alpha1.SeppenClusterStatus) { s.Size = "1 KiB" }, false, true},
		{"memory", func(s *v1alpha1.SeppenClusterStatus) { s.Memory = "1 KiB / 1 GiB" }, false, true},
		{"keys of a node", func(s *v1alpha1.SeppenClusterStatus) { s.Nodes[0].Keys++ }, false, true},
		{"bytes of a node", func(s *v1alpha1.SeppenClusterStatus) { s.Nodes[0].Bytes++ }, false, true},
		{"epoch", func(s *v1alpha1.SeppenClusterStatus) { s.Epoch++ }, true, false},
		{"message", func(s *v1alpha1.SeppenClusterStatus) { s.Conditions[0].Message = "x" }, true, false},
		{"message of a node", func(s *v1alpha1.SeppenClusterStatus) { s.Nodes[0].Message = "x" }, true, false},
		{"both", func(s *v1alpha1.SeppenClusterStatus) { s.Nodes[0].Ready, s.Nodes[0].Keys = true, 9 }, true, true},
	} {
		before, after := base(), base()
		c.change(after)
		if words, figures := Changed(before, after); words != c.words || figures != c.figures {
			t.Errorf("%s: words %t, figures %t", c.name, words, figures)
		}
		if diff := cmp.Diff(before, base()); diff != "" {
			t.Errorf("%s: changed what it compared: %s", c.name, diff)
		}
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 12 << 10: "12 KiB", 1536 << 20: "1.5 GiB", 3<<30 + 1: "3 GiB",
		1<<20 - 1: "1 MiB", 1047 << 10: "1 MiB", 1200 << 10: "1.2 MiB", 5 << 50: "5 PiB", 2000 << 50: "2000 PiB",
	} {
		if got := human(n); got != want {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
}

func TestSlotsText(t *testing.T) {
	set := func(ranges ...layout.Range) *slotSet {
		var in slotSet
		for _, r := range ranges {
			for s := int(r.Lo); s <= int(r.Hi); s++ {
				in[s] = true
			}
		}
		return &in
	}
	odd := new(slotSet)
	for s := range layout.Slots {
		odd[s] = s%2 == 1
	}
	for _, c := range []struct {
		in   *slotSet
		room int
		want string
	}{
		{set(), 100, ""},
		{set(layout.Range{Lo: 0, Hi: 255}), 100, "0-255"},
		{set(layout.Range{Lo: 0, Hi: 84}, layout.Range{Lo: 170, Hi: 255}), 100, "0-84, 170-255"},
		{set(layout.Range{Lo: 5, Hi: 5}), 1, "5"},
		{odd, 12, "1, 3, 5, 7 and 124 more ranges"},
	} {
		if got := c.in.text(c.room); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"as it is", 8, "as it is"},
		{"a\n b\tc", 8, "a b c"},
		{"not valid \xff", 20, "not valid \uFFFD"},
		{"ääää", 8, "ääää"},
		{"äääää", 8, "ää…"},
		{strings.Repeat("x", 20), 10, "xxxxxxx…"},
	} {
		if got := clip(c.in, c.most); got != c.want || len(got) > c.most {
			t.Errorf("%q: %q, not %q", c.in, got, c.want)
		}
	}
}

// TestStored: each key counts once, by the owner that has the most of its segment.
func TestStored(t *testing.T) {
	names, err := layout.Names("c", 3, 2)
	check(t, err)
	l := &layout.Layout{Cluster: clusterID, Epoch: 2}
	for i, n := range names {
		l.Members = append(l.Members, layout.Member{Name: n, Address: "h:1", Incarnation: life(i, 0), JoinEpoch: 1, Phase: layout.Serving})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1) // at 0, 85 and 170
	status := func(i int, s peer.Status) Node {
		s.Incarnation = life(i, 0)
		return Node{Name: names[i], Status: &s}
	}
	of := func(epoch uint64, segments ...peer.SegmentStatus) peer.Status {
		return peer.Status{Cluster: clusterID, Epoch: epoch, Segments: segments}
	}
	f := &Facts{Now: time.Unix(1, 0), Names: names, Layout: l, Nodes: []Node{
		status(0, of(2, peer.SegmentStatus{Lo: 0, Keys: 10, Bytes: 100}, peer.SegmentStatus{Lo: 85, Keys: 7, Bytes: 70})),
		// One epoch behind; the write that it has and its fellow has not counts.
		status(1, of(1, peer.SegmentStatus{Lo: 85, Keys: 8, Bytes: 80}, peer.SegmentStatus{Lo: 170, Keys: 1, Bytes: 10})),
		// What it tells of a segment that is not its own, or none any more, does not count.
		status(2, of(2, peer.SegmentStatus{Lo: 85, Keys: 99, Bytes: 99}, peer.SegmentStatus{Lo: 86, Keys: 99, Bytes: 99})),
	}}
	if got, _ := Of(f); got.Keys != 19 || got.Bytes != 190 {
		t.Errorf("%d keys, %d bytes", got.Keys, got.Bytes)
	}
	f.Nodes[1].Status.Cluster = layout.ID{0xd}
	if got, _ := Of(f); got.Keys != 17 || got.Bytes != 170 {
		t.Errorf("with a stranger: %d keys, %d bytes", got.Keys, got.Bytes)
	}
}

// TestCauses has the words of kubelets and schedulers.
func TestCauses(t *testing.T) {
	now := time.Unix(10_000, 0)
	waits := func(reason, message string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State.Waiting = &corev1.ContainerStateWaiting{Reason: reason, Message: message}
		}
	}
	ran := func(began, ended time.Duration) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{
			ExitCode: 2, StartedAt: metav1.NewTime(now.Add(-began)), FinishedAt: metav1.NewTime(now.Add(-ended)), Message: "panic:\n\tno room",
		}
	}
	restarted := func(restarts int32, last *corev1.ContainerStateTerminated) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			s := &p.Status.ContainerStatuses[0]
			s.RestartCount, s.LastTerminationState.Terminated = restarts, last
			s.State.Running = &corev1.ContainerStateRunning{}
		}
	}
	const exit = "ended with exit code 2: panic: no room"
	for _, c := range []struct {
		name   string
		change func(*corev1.Pod)
		want   *cause
	}{
		{"nothing known", func(*corev1.Pod) {}, nil},
		{"being started", waits("ContainerCreating", ""), nil},
		{"pull", waits("ErrImagePull", "no such host"), &cause{ImagePull, `image "seppen:1": no such host`}},
		{"pull, again", waits("ImagePullBackOff", ""), &cause{ImagePull, `image "seppen:1": ImagePullBackOff`}},
		{"name", waits("InvalidImageName", "bad"), &cause{ImagePull, `image "seppen:1": bad`}},
		{"never", waits("ErrImageNeverPull", "not here"), &cause{ImagePull, `image "seppen:1": not here`}},
		{"config", waits("CreateContainerConfigError", "secret not found"), &cause{PodConfig, "secret not found"}},
		{"create", waits("CreateContainerError", ""), &cause{PodConfig, "CreateContainerError"}},
		{"run", waits("RunContainerError", "no exec"), &cause{PodConfig, "no exec"}},
		{"an init container", func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "init:1"}}
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{
				Name: "init", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no"}},
			}}
		}, &cause{ImagePull, `image "init:1": no`}},
		{"crash loop, no word why", waits(crashLoop, "back-off"), &cause{PodCrashing, "ended with an unknown exit code"}},
		{"one exit", restarted(1, ran(time.Minute, 0)), nil},
		{"two exits", restarted(2, ran(time.Minute, 0)), &cause{PodCrashing, exit}},
		{"two exits, long ago", restarted(2, ran(30*time.Minute, 25*time.Minute)), nil},
		{"two exits in a long life", restarted(2, ran(30*time.Minute, 0)), nil},
		{"just ended, the first time", func(p *corev1.Pod) { p.Status.ContainerStatuses[0].State.Terminated = ran(time.Minute, 0) }, nil},
		{"just ended, the second time", func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State.Terminated = ran(time.Minute, 0)
			p.Status.ContainerStatuses[0].RestartCount = 1
		}, &cause{PodCrashing, exit}},
		{"just ended, after a long life", func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State.Terminated = ran(time.Hour, 0)
			p.Status.ContainerStatuses[0].RestartCount = 1
		}, nil},
		{"being deleted", func(p *corev1.Pod) {
			waits("ErrImagePull", "")(p)
			p.DeletionTimestamp = new(metav1.NewTime(now))
		}, nil},
		{"gated, which is not unschedulable", func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonSchedulingGated}}
		}, nil},
	} {
		p := pod("c-0-255")
		c.change(p)
		if diff := cmp.Diff(c.want, causeOf(p, false, now), cmp.AllowUnexported(cause{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestProcess: others' containers are not the node's.
func TestProcess(t *testing.T) {
	p := pod("c-0-255")
	if got := process(p); got == nil || got.Name != "seppen" {
		t.Errorf("%+v", got)
	}
	p.Spec.Containers = append([]corev1.Container{{Name: "proxy"}}, p.Spec.Containers...)
	p.Status.ContainerStatuses = append([]corev1.ContainerStatus{{Name: "proxy"}}, p.Status.ContainerStatuses...)
	p.Annotations = map[string]string{defaultContainer: "seppen"}
	if got := process(p); got == nil || got.Name != "seppen" {
		t.Errorf("beside another one: %+v", got)
	}
	if process(nil) != nil || process(&corev1.Pod{}) != nil {
		t.Error("a process of nothing")
	}
}
