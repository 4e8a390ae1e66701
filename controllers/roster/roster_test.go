package roster

import (
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/internal/fakenode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var cluster = layout.ID{0xc}

const secret = "snowflake"

func names(t *testing.T) []layout.Name {
	t.Helper()
	n, err := layout.Names("x", 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func target(t *testing.T, n *fakenode.Node, pod string) Target {
	t.Helper()
	name, err := layout.ParseName(n.Name)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(n.Address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Target{Name: name, Pod: pod, IP: host, Port: int32(number)}
}

// roster is one under test, and counts how often it woke.
type roster struct {
	*Roster
	woken atomic.Int64
}

func newRoster(t *testing.T) *roster {
	t.Helper()
	s, err := uid.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	r := &roster{}
	r.Roster = New(cluster, s.PeerKey(), func() { r.woken.Add(1) })
	t.Cleanup(r.Stop)
	return r
}

// sight waits until what is known of a node is as wanted, and says so by a wake.
func (r *roster) sight(t *testing.T, name, what string, ok func(Sight) bool) Sight {
	t.Helper()
	var last Sight
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, s := range r.Look() {
			if s.Name.String() == name {
				if last = s; ok(s) {
					return s
				}
			}
		}
	}
	t.Fatalf("%s: not %s: %+v", name, what, last)
	return last
}

func answers(s Sight) bool { return s.Status != nil }

func first(t *testing.T, nodes []*fakenode.Node) *layout.Layout {
	t.Helper()
	l := &layout.Layout{Cluster: cluster, Epoch: 1}
	for _, n := range nodes {
		name, err := layout.ParseName(n.Name)
		if err != nil {
			t.Fatal(err)
		}
		l.Members = append(l.Members, layout.Member{Name: name, Address: n.Address, Incarnation: n.Incarnation(), JoinEpoch: 1, Phase: layout.Serving})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	return l
}

func next(l *layout.Layout) *layout.Layout {
	n := *l
	n.Epoch++
	return &n
}

func start(t *testing.T) (nodes []*fakenode.Node, targets []Target) {
	t.Helper()
	for i, name := range names(t) {
		n := fakenode.Start(t, name.String(), "127.0.0.1:0", secret)
		nodes = append(nodes, n)
		targets = append(targets, target(t, n, strconv.Itoa(i)))
	}
	return nodes, targets
}

// Nodes get the newest layout: those that are there, one that comes later, and one that
// lost its connection meanwhile.
func TestLayoutsReachAllNodes(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets[:2])
	for _, n := range nodes[:2] {
		s := r.sight(t, n.Name, "there", answers)
		if s.Status.Incarnation != n.Incarnation() || s.Status.Epoch != 0 {
			t.Errorf("%+v", s.Status)
		}
	}
	if given := nodes[0].Given(); len(given) != 0 {
		t.Fatalf("it was given layouts %v that nobody published", given)
	}
	one := first(t, nodes)
	r.Publish(one)
	has := func(s Sight) bool { return s.Status != nil && s.Status.Epoch == 1 }
	for _, n := range nodes[:2] {
		r.sight(t, n.Name, "in epoch 1", has)
	}
	r.Watch(targets)
	// Primaries are active when all have it, and this is told at once.
	for _, n := range nodes {
		r.sight(t, n.Name, "ready", func(s Sight) bool { return has(s) && s.Status.Ready })
	}
	r.Publish(next(one))
	r.Publish(one) // older: ignored
	for _, n := range nodes {
		r.sight(t, n.Name, "in epoch 2", func(s Sight) bool { return s.Status != nil && s.Status.Epoch == 2 })
		if given := n.Given(); !slices.IsSorted(given) || given[len(given)-1] != 2 {
			t.Errorf("%s was given %v", n.Name, given)
		}
	}
}

// A process that ends is noticed at once, and the next one at the same address is
// another incarnation.
func TestRestart(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets)
	r.Publish(first(t, nodes))
	r.sight(t, nodes[0].Name, "ready", func(s Sight) bool { return s.Status != nil && s.Status.Ready })
	woken := r.woken.Load()
	nodes[0].Stop()
	r.sight(t, nodes[0].Name, "gone", func(s Sight) bool { return s.Status == nil && s.Err != nil })
	r.sight(t, nodes[0].Name, "refused", func(s Sight) bool { return s.Err != nil && s.Err.Error() == "connection refused" })
	if r.woken.Load() == woken {
		t.Error("nobody was woken")
	}
	again := fakenode.Start(t, nodes[0].Name, nodes[0].Address, secret)
	s := r.sight(t, again.Name, "back", func(s Sight) bool { return s.Status != nil && s.Status.Epoch == 1 })
	if s.Status.Incarnation != again.Incarnation() || s.Status.Ready {
		t.Errorf("%+v", s.Status)
	}
}

// What nodes say is news, figures are not.
func TestWakes(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets[:1])
	r.sight(t, nodes[0].Name, "there", answers)
	woken := r.woken.Load()
	nodes[0].Say(func(s *peer.Status) { s.Keys = 7 })
	r.sight(t, nodes[0].Name, "counted", func(s Sight) bool { return s.Status != nil && s.Status.Keys == 7 })
	if now := r.woken.Load(); now != woken {
		t.Errorf("woken %d times by figures", now-woken)
	}
	nodes[0].Say(func(s *peer.Status) { s.Reason = "stopping" })
	r.sight(t, nodes[0].Name, "stopping", func(s Sight) bool { return s.Status != nil && s.Status.Reason == "stopping" })
	if r.woken.Load() == woken {
		t.Error("nobody was woken by words")
	}
}

// Whoever answers must be the node that is meant, with the cluster's secret.
func TestStrangers(t *testing.T) {
	nodes, targets := start(t)
	wrongName := targets[0]
	wrongName.Name = targets[1].Name
	other := fakenode.Start(t, nodes[1].Name, "127.0.0.1:0", "another secret")
	elsewhere := fakenode.Start(t, nodes[2].Name, "127.0.0.1:0", secret)
	foreign := first(t, []*fakenode.Node{nodes[0], nodes[1], elsewhere})
	foreign.Cluster = layout.ID{0xf}
	theirs := newRoster(t)
	theirs.Roster.dialer.Self = func() peer.Hello { return peer.Hello{Cluster: foreign.Cluster} }
	theirs.Watch([]Target{target(t, elsewhere, "x")})
	theirs.Publish(foreign)
	theirs.sight(t, elsewhere.Name, "theirs", func(s Sight) bool { return s.Status != nil && s.Status.Epoch == 1 })

	for want, target := range map[string]Target{
		nodes[0].Name + " answers at " + nodes[0].Address + ", the address of " + nodes[1].Name: wrongName,
		"its secret is not the cluster's": target(t, other, "other"),
		"it belongs to another cluster":   target(t, elsewhere, "elsewhere"),
	} {
		r := newRoster(t)
		r.Watch([]Target{target})
		r.Publish(first(t, nodes))
		s := r.sight(t, target.Name.String(), "refused", func(s Sight) bool { return s.Err != nil })
		if s.Err.Error() != want || s.Status != nil {
			t.Errorf("got %v, want %s", s.Err, want)
		}
	}
	if given := append(nodes[0].Given(), other.Given()...); len(given) != 0 {
		t.Errorf("strangers were given layouts %v", given)
	}
}

// A pod that is not watched any more is let go of, and another pod of its name is
// another target.
func TestWatchChanges(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets)
	for _, n := range nodes {
		r.sight(t, n.Name, "there", answers)
	}
	moved := fakenode.Start(t, nodes[1].Name, "127.0.0.1:0", secret)
	r.Watch([]Target{targets[0], target(t, moved, "new pod")})
	if n := len(r.Look()); n != 2 {
		t.Errorf("%d in sight", n)
	}
	s := r.sight(t, moved.Name, "there", answers)
	if s.Status.Incarnation != moved.Incarnation() {
		t.Error("it still looks at the old pod")
	}
}
