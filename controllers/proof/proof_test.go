package proof

import (
	"cmp"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
)

// pod is one with two containers: the node's and somebody's.
func pod(changes ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{}
	p.UID = "home"
	p.Spec.NodeName = "machine"
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "theirs", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ContainerID: "theirs"}}},
		{Name: "seppen", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func ours(p *corev1.Pod) *corev1.ContainerStatus { return &p.Status.ContainerStatuses[1] }

func exit(id string, code int32, reason string) *corev1.ContainerStateTerminated {
	return &corev1.ContainerStateTerminated{ContainerID: id, ExitCode: code, Reason: reason}
}

func ends(id string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { ours(p).State = corev1.ContainerState{Terminated: exit(id, 137, "OOMKilled")} }
}

// restarts: the container with that ID is followed by another one.
func restarts(id string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		ours(p).LastTerminationState.Terminated = exit(id, 1, "Error")
		ours(p).RestartCount++
	}
}

func waits(p *corev1.Pod) {
	ours(p).State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
}

func phase(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func TestEndings(t *testing.T) {
	collected := func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC"}}
	}
	lost := func(p *corev1.Pod) {
		ours(p).State = corev1.ContainerState{Terminated: exit("", 137, "ContainerStatusUnknown")}
	}
	for name, tt := range map[string]struct {
		pod           *corev1.Pod
		end           string // container: words
		stopped, over bool
	}{
		"runs":                       {pod(), "", false, false},
		"no status yet":              {&corev1.Pod{}, "", false, false},
		"never started":              {pod(waits), "", false, false},
		"ended":                      {pod(ends("c1")), "c1: exit code 137, OOMKilled", true, false},
		"ended well":                 {pod(func(p *corev1.Pod) { ours(p).State = corev1.ContainerState{Terminated: exit("c1", 0, "Completed")} }), "c1: exit code 0", true, false},
		"lost by the kubelet":        {pod(lost), "run 1: exit code 137, ContainerStatusUnknown", true, false},
		"lost by the kubelet, again": {pod(restarts("c1"), lost), "run 2: exit code 137, ContainerStatusUnknown", true, false},
		"runs again":                 {pod(restarts("c1")), "c1: exit code 1", false, false},
		"waits":                      {pod(restarts("c1"), waits), "c1: exit code 1", true, false},
		"ended again":                {pod(restarts("c1"), ends("c2")), "c2: exit code 137, OOMKilled", true, false},
		"stopped for good":           {pod(ends("c1"), phase(corev1.PodFailed)), "c1: exit code 137, OOMKilled", true, true},
		"deleted":                    {pod(ends("c1"), phase(corev1.PodSucceeded)), "c1: exit code 137, OOMKilled", true, true},
		"said to have failed":        {pod(phase(corev1.PodFailed)), "", false, false},
		"said to have failed, of old it had ended once": {pod(restarts("c1"), phase(corev1.PodFailed)), "c1: exit code 1", false, false},
		"its machine was deleted":                       {pod(ends("c1"), phase(corev1.PodFailed), collected), "c1: exit code 137, OOMKilled", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if end := EndOf(tt.pod); end != nil {
				got = end.Container + ": " + end.Words
			}
			if got != tt.end || Stopped(tt.pod) != tt.stopped || (Over(tt.pod) != nil) != tt.over {
				t.Errorf("%q, stopped %t, over %t", got, Stopped(tt.pod), Over(tt.pod) != nil)
			}
		})
	}
}

// A story is what happens to one pod, at times in seconds; m is a member that lives in it.
func TestEnded(t *testing.T) {
	m, other := layout.ID{1}, layout.ID{2}
	key := types.NamespacedName{Namespace: "ns", Name: "c"}
	type event struct {
		at    float64
		see   *corev1.Pod
		hears layout.ID
	}
	see := func(at float64, changes ...func(*corev1.Pod)) event { return event{at: at, see: pod(changes...)} }
	hear := func(at float64, who layout.ID) event { return event{at: at, hears: who} }
	for name, tt := range map[string]struct {
		story    []event
		answered float64 // when m did last
		want     bool
	}{
		"nothing known":                            {nil, 50, false},
		"runs":                                     {[]event{see(0), hear(1, m)}, 50, false},
		"ended":                                    {[]event{see(0), hear(1, m), see(51, ends("c1"))}, 50, true},
		"ended, and the next one waits":            {[]event{see(0), hear(1, m), see(51, restarts("c1"), waits)}, 50, true},
		"ended, and then the next one runs":        {[]event{see(0), hear(1, m), see(51, ends("c1")), see(52, restarts("c1"))}, 50, true},
		"ended, and the next one is heard":         {[]event{see(0), hear(1, m), see(51, ends("c1")), see(52, restarts("c1")), hear(52, other)}, 50, true},
		"ended, and the next one ended":            {[]event{see(0), hear(1, m), see(51, ends("c1")), see(52, restarts("c1")), see(53, ends("c2"))}, 50, true},
		"one ended, and one runs: this or another": {[]event{see(0), hear(1, m), see(51, restarts("c1"))}, 50, false},
		// The kubelet was cut off from before the end of the first one, c1, until long after.
		"the one before ended, reported very late": {[]event{see(0), hear(0, other), hear(21, m), see(90, restarts("c1"))}, 60, false},
		"and later its own, reported in time":      {[]event{see(0), hear(0, other), hear(21, m), see(90, restarts("c1")), see(100, ends("c2"))}, 60, true},
		"answers still":                            {[]event{see(0), hear(1, m), see(51, ends("c1"))}, 52, false},
		"the one before ended":                     {[]event{see(0), see(10, restarts("c1")), hear(11, m)}, 50, false},
		"the one before ended, reported late":      {[]event{see(0), hear(11, m), see(13, ends("c1")), see(14, restarts("c1"))}, 12, false},
		"and later its own":                        {[]event{see(0), hear(11, m), see(13, restarts("c1")), see(51, ends("c2"))}, 50, true},
		"the report is repeated":                   {[]event{see(0), hear(11, m), see(13, restarts("c1")), see(51, restarts("c1"))}, 50, false},
		"never heard of":                           {[]event{see(0), hear(1, other), see(51, ends("c1"))}, 0, false},
		"never heard of, but the pod is over":      {[]event{see(0), see(51, ends("c1"), phase(corev1.PodSucceeded))}, 0, true},
		"nobody knows when it answered":            {[]event{see(0), hear(1, m), see(51, ends("c1"))}, 0, false},
		"just heard of, but the pod is over":       {[]event{see(0), hear(50, m), see(51, ends("c1"), phase(corev1.PodSucceeded))}, 50, true},
		"the pod is over, and nobody looks":        {[]event{see(0), see(51, ends("c1"), phase(corev1.PodFailed)), see(52)}, 50, true},
		"another one's container ended":            {[]event{see(0), hear(1, m), see(51, func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount++ })}, 50, false},
		"it is said that the pod failed":           {[]event{see(0), hear(1, m), see(51, phase(corev1.PodFailed))}, 50, false},
		"the first word of it is that it ended":    {[]event{hear(1, m), see(51, ends("c1"))}, 50, false},
		"the container's status comes and goes":    {[]event{see(0), hear(1, m), see(51, ends("c1")), see(52)}, 50, true},
		"a pod that was forgotten proves no end":   {[]event{see(0), hear(1, m), see(51, ends("c1")), {at: 52}}, 50, false},
	} {
		t.Run(name, func(t *testing.T) {
			at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
			var memory Memory
			for _, e := range tt.story {
				switch {
				case e.see != nil:
					memory.See(key, e.see, at(e.at))
				case e.hears != layout.ID{}:
					memory.Hear("home", e.hears, at(e.at))
				default:
					memory.Keep(key, nil)
				}
			}
			answered := at(tt.answered)
			if tt.answered == 0 {
				answered = time.Time{}
			}
			end := cmp.Or(memory.Over("home"), memory.Ended("home", m, answered))
			if (end != nil) != tt.want {
				t.Errorf("ended: %+v", end)
			}
			if memory.Ended("another home", m, at(tt.answered)) != nil || memory.Over("another home") != nil {
				t.Error("it ended in a pod of which nothing is known")
			}
		})
	}
}

func TestMemoryOfPods(t *testing.T) {
	var m Memory
	snow, rain := types.NamespacedName{Name: "snow"}, types.NamespacedName{Name: "rain"}
	for uid, cluster := range map[types.UID]types.NamespacedName{"a": snow, "b": snow, "c": rain} {
		m.See(cluster, pod(func(p *corev1.Pod) { p.UID = uid }), time.Time{})
		m.See(cluster, pod(func(p *corev1.Pod) { p.UID, p.Spec.NodeName = uid, "" }), time.Time{})
	}
	m.Keep(snow, map[types.UID]bool{"a": true})
	for uid, want := range map[types.UID]string{"a": "machine", "b": "", "c": "machine"} {
		if got := m.Machine(uid); got != want {
			t.Errorf("pod %s: machine %q", uid, got)
		}
	}
}

func TestPresumed(t *testing.T) {
	id := layout.ID{0xab}
	m := &layout.Member{Name: layout.Name{Base: "snow", Range: layout.Range{Lo: 0, Hi: 169}}, Incarnation: id}
	for text, want := range map[string]bool{
		"":           false,
		"snow-0-169": false, // the next one of the name is not meant
		layout.ID{1}.String() + ", " + id.String(): true,
		"snow-85-255\n" + id.String():              true,
		id.String()[:31]:                           false,
		"all":                                      false,
		layout.ID{1}.String() + ";" + id.String():  false,
	} {
		if got := Presumed(map[string]string{"seppen.io/presumed-dead": text}, m); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestMistaken(t *testing.T) {
	alive, dead, other := layout.ID{0xab}, layout.ID{0xcd}, layout.ID{0xef}
	l := &layout.Layout{Members: []layout.Member{{Incarnation: alive}}, Dead: []layout.ID{dead}}
	for text, want := range map[string][]string{
		"":                                   {},
		alive.String():                       {},
		alive.String() + "," + dead.String(): {},
		"snow-0-169, " + alive.String():      {"snow-0-169"},
		other.String() + " all":              {other.String(), "all"},
	} {
		if got := Mistaken(map[string]string{PresumedDead: text}, l); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}
