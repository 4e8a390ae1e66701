package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/eiri/seppen/api/layout"
)

// leaseTime is how long a node may answer that was cut off from the others: by the clock
// of a client, from when it asks.
const leaseTime = 3 * time.Second

// machineLost cuts a machine off, with its kubelet and all pods, and plugs it in again; then
// it crashes and stays away. Of one cluster it has a copy of what others have too, of
// another the only one. A third one has nothing else.
func machineLost() *features.FeatureBuilder {
	const namespace = "e2e-machine"
	m := &machineStory{
		two: cluster{namespace, "two"}, one: cluster{namespace, "one"}, said: cluster{namespace, "said"},
	}
	return features.New("machine lost").
		Setup(step(m.begin)).
		Assess("cut off for a while: nothing is lost", step(m.cutOff)).
		Assess("crashed: a person says that it is dead", step(m.crashed)).
		Assess("it comes back", step(func(t *testing.T) {
			kubectl(t, "taint", "node", spare, outOfService+"-")
			fault(t, "start", spare)
			machineIs(t, 30*time.Second, corev1.ConditionTrue)
		}))
}

type machineStory struct {
	two, one, said cluster
	nodes          map[string][]string // by cluster
}

func (m *machineStory) begin(t *testing.T) {
	makeNamespace(t, m.two.namespace)
	m.two.apply(t, tolerant)
	// Its pod may stay on a machine that Kubernetes has given up: then it is there, with the
	// only copy, when the machine comes back.
	m.one.apply(t, small+"\n  shards: 3\n  copies: 1"+`
  podTemplate:
    spec:
      tolerations:
      - {key: `+spareTaint+`, operator: Exists}
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute}`)
	m.said.apply(t, small+"\n  shards: 1\n  copies: 1"+`
  podTemplate:
    spec:
      tolerations: [{key: `+spareTaint+`, operator: Exists}]
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [`+spare+`]}]}`)
	m.nodes = make(map[string][]string)
	for _, c := range []cluster{m.two, m.one, m.said} {
		c.isReady(t)
		m.nodes[c.name] = slices.Sorted(maps.Keys(c.podsNow(t)))
	}
}

// cutOff: the machine's processes live, and nobody outside can know it.
func (m *machineStory) cutOff(t *testing.T) {
	copied, only := m.two.onSpare(t), m.one.onSpare(t)
	status, single := watchStatus(t, m.two), watchStatus(t, m.one)
	clients := startLoad(t, m.two, m.nodes["two"], copied.Name)
	// None of them is lost: whoever has the only copy comes back with it.
	others := startLoad(t, m.one, m.nodes["one"])
	within := at(copied)
	within.client = inside(t, copied)
	clients.client("inside", 99, func() *store { return &within })
	clients.keep(t)
	others.keep(t)
	clients.goesOn(t)
	others.goesOn(t)
	before := m.two.incarnations(t)[copied.Name]
	onlyCopy := m.one.incarnations(t)[only.Name]

	clients.strike(func() { fault(t, "unplug", spare) })
	status.says(t, 20*time.Second, "Degraded True CopiesMissing", copied.Name)
	m.two.says(t, 20*time.Second, "Ready", metav1.ConditionTrue, "Serving")
	single.says(t, 20*time.Second, "Progressing False ProofMissing", "The last copies of slots", only.Name+": does not answer, but its pod runs: it may live",
		"annotate the resource with seppen.io/presumed-dead="+onlyCopy.String())
	clients.refusedInside(t)
	clients.tell("machine cut off")

	fault(t, "plug", spare)
	back := time.Now()
	m.two.isWhole(t, backTime, m.nodes["two"], before)
	m.one.isWhole(t, backTime, m.nodes["one"])
	t.Logf("all copies are there %.1f s after the machine came back", time.Since(back).Seconds())
	if now := m.one.incarnations(t)[only.Name]; now != onlyCopy {
		t.Errorf("%s is another process than before: %s, not %s", only.Name, now, onlyCopy)
	}
	if now := m.two.podsNow(t)[copied.Name]; containerOf(now) != containerOf(copied) {
		t.Logf("the kubelet replaced %s", copied.Name)
	}
	clients.goesOn(t)
	clients.neverStopped(t)
	for _, l := range []*load{clients, others} {
		l.reads(t)
		l.finish(t)
	}
	m.one.hasEvent(t, corev1.EventTypeWarning, "ProofMissing", only.Name, onlyCopy.String())
	m.two.hasEvent(t, corev1.EventTypeWarning, "CopiesMissing", copied.Name)
	m.two.hasEvent(t, corev1.EventTypeNormal, "Recovered", "No copy is missing")
}

// refusedInside: whoever reaches those that are cut off is told nothing by them once their
// leases have run out.
func (l *load) refusedInside(t *testing.T) {
	t.Helper()
	refused := 0
	eventually(t, 30*time.Second, func() error {
		refused = 0
		for _, s := range l.sinceStrike() {
			if s.way == "inside" && s.made.Sub(l.struck) > leaseTime {
				refused++
			}
		}
		if refused < 40 {
			return fmt.Errorf("%d requests were made inside after the leases ended", refused)
		}
		return nil
	})
	answered := 0
	for _, s := range l.sinceStrike() {
		switch after := s.made.Sub(l.struck); {
		case s.way != "inside":
		case s.done && after > leaseTime:
			t.Errorf("it was answered inside %.1f s after the machine was cut off", after.Seconds())
		case s.done:
			answered++
		}
	}
	t.Logf("inside %d requests were answered until the leases ended, and then %d refused", answered, refused)
}

var presumable = regexp.MustCompile(`seppen\.io/presumed-dead=([0-9a-f]{32})`)

// crashed: the machine is gone with all its processes, and does not come back by itself.
func (m *machineStory) crashed(t *testing.T) {
	copied, only, last := m.two.onSpare(t), m.one.onSpare(t), m.said.onSpare(t)
	watchStatus(t, m.two)
	watchStatus(t, m.one)
	clients := startLoad(t, m.two, m.nodes["two"], copied.Name)
	clients.goesOn(t)
	ended := []layout.ID{m.two.incarnations(t)[copied.Name], m.one.incarnations(t)[only.Name], m.said.incarnations(t)[last.Name]}
	clients.strike(func() { fault(t, "crash", spare) })
	m.two.says(t, 20*time.Second, "Degraded", metav1.ConditionTrue, "CopiesMissing", copied.Name)
	m.two.says(t, 20*time.Second, "Ready", metav1.ConditionTrue, "Serving")
	m.one.says(t, 20*time.Second, "Progressing", metav1.ConditionFalse, "ProofMissing", only.Name)
	clients.tell("machine crashed")
	m.isPresumedDead(t, last, ended[2])

	m.one.says(t, 20*time.Second, "Progressing", metav1.ConditionFalse, "ProofMissing", only.Name)
	kubectl(t, "taint", "node", spare, outOfService)
	declared := time.Now()
	// A pod that lies on a dead machine keeps its name: another node takes its place.
	if nodes := m.two.comesTo(t, 3, 2); slices.Contains(slices.Collect(maps.Values(m.two.incarnations(t))), ended[0]) {
		t.Errorf("%v are the nodes, and %s is one of their processes", nodes, ended[0])
	}
	if nodes := m.one.comesTo(t, 3, 1); slices.Contains(slices.Collect(maps.Values(m.one.incarnations(t))), ended[1]) {
		t.Errorf("%v are the nodes, and %s is one of their processes", nodes, ended[1])
	}
	t.Logf("all slots are there %.1f s after it was said that the machine is out of service", time.Since(declared).Seconds())
	m.one.hasEvent(t, corev1.EventTypeWarning, "SlotsGivenUp", only.Name, "its machine "+spare+" is out of service")
	clients.goesOn(t)
	clients.neverStopped(t)
	clients.finish(t)
}

// isPresumedDead: a person says so of a process, in place of anybody who can know.
func (m *machineStory) isPresumedDead(t *testing.T, last *corev1.Pod, ended layout.ID) {
	t.Helper()
	watchStatus(t, m.said)
	machineIs(t, time.Minute, corev1.ConditionFalse)
	kubectl(t, "delete", "pod", "--namespace", last.Namespace, last.Name, "--force", "--grace-period=0")
	m.said.says(t, 30*time.Second, "Progressing", metav1.ConditionFalse, "ProofMissing", last.Name, ended.String(),
		"its pod is gone, but nothing proves that its process ended")
	// The next process stands there, and is not let into the place of the other.
	eventually(t, 30*time.Second, func() error {
		got, err := m.said.get(t.Context())
		if err == nil && got.Status.Nodes[0].Phase != layout.Joining.String() {
			err = fmt.Errorf("%+v", got.Status.Nodes[0])
		}
		return err
	})
	got, err := m.said.get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, c := range got.Status.Conditions {
		if found := presumable.FindStringSubmatch(c.Message); found != nil && c.Type == "Progressing" {
			named = found
		}
	}
	if named == nil || named[1] != ended.String() {
		t.Fatalf("the status does not name %s to be presumed dead: %+v", ended, got.Status.Conditions)
	}
	kubectl(t, "annotate", "--namespace", m.said.namespace, "seppencluster/"+m.said.name, named[0])
	m.said.isWhole(t, backTime, m.nodes["said"], ended)
	m.said.says(t, 10*time.Second, "DataLost", metav1.ConditionTrue, "SlotsGivenUp", "0-255", "a person says so")
}
