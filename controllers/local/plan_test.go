package local

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/controllers/placement"
)

// A node is settled if it has the layout, serves, has everything, is active where it is
// the primary, and hears of the others.
func TestSettled(t *testing.T) {
	l := &layout.Layout{Epoch: 7}
	me, other := layout.ID{1}, layout.ID{2}
	first := map[uint8]layout.ID{0: me, 128: other}
	for name, c := range map[string]struct {
		spoil func(s *peer.Status)
		want  bool
	}{
		"well":         {func(*peer.Status) {}, true},
		"old layout":   {func(s *peer.Status) { s.Epoch = 6 }, false},
		"not ready":    {func(s *peer.Status) { s.Ready = false }, false},
		"not active":   {func(s *peer.Status) { s.Segments[0].Active = false }, false},
		"not complete": {func(s *peer.Status) { s.Segments[1].Complete = false }, false},
		"not heard":    {func(s *peer.Status) { s.Peers[0].Silent = 1200 }, false},
	} {
		n := &node{last: me, status: peer.Status{
			Epoch: 7, Ready: true, Peers: []peer.PeerStatus{{Incarnation: other, Silent: 1100}},
			Segments: []peer.SegmentStatus{{Lo: 0, Complete: true, Active: true}, {Lo: 128, Complete: true}},
		}}
		c.spoil(&n.status)
		if got := n.settled(l, first); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// All that a node says of itself, and of others, comes to the placement.
func TestObservation(t *testing.T) {
	n := &node{
		name: layout.Name{Base: "x"}, address: "a:1", home: "1", last: layout.ID{1},
		status: peer.Status{
			Cluster: layout.ID{9}, Epoch: 4, Layout: "hash", Purged: 3, Segments: []peer.SegmentStatus{{Lo: 7}}, Retired: true,
			Peers:   []peer.PeerStatus{{Incarnation: layout.ID{2}, Silent: 5}},
			Joining: []peer.JoiningStatus{{Incarnation: layout.ID{3}, Answered: true, Silent: 6}},
		},
	}
	want := placement.Observation{
		Name: n.name, Address: "a:1", Home: "1", Incarnation: n.last, Cluster: layout.ID{9}, Epoch: 4, Layout: "hash", Purged: 3,
		Unfit: true, Segments: n.status.Segments, Peers: n.status.Peers, Joining: n.status.Joining, Answering: time.Minute,
	}
	if diff := cmp.Diff(want, n.observation(time.Minute)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Once that all is well is enough, and only after it was not.
func TestRelax(t *testing.T) {
	var said strings.Builder
	a := &author{out: newOutput(&Config{Stderr: &said})}
	a.upset()
	a.relax(true)
	if said.String() != "" {
		t.Errorf("before the cluster was ready: %s", said.String())
	}
	a.ready = true
	a.upset()
	began := a.trouble
	a.upset()
	if a.relax(false); a.trouble != began || began.IsZero() || time.Since(began) < 0 {
		t.Errorf("trouble since %v, then %v", began, a.trouble)
	}
	a.relax(true)
	a.relax(true)
	if strings.Count(said.String(), "\n") != 1 || !strings.HasPrefix(said.String(), "All nodes serve, and every slot has all its copies again, after 0.0 s.") {
		t.Errorf("said %q", said.String())
	}
}

// Nothing is under way only if the layout is whole and every node is settled in it.
func TestCalm(t *testing.T) {
	name := layout.Name{Base: "x", Range: layout.Range{Hi: layout.Slots - 1}}
	for what, c := range map[string]struct {
		spoil func(a *author)
		want  bool
	}{
		"well":         {func(*author) {}, true},
		"no layout":    {func(a *author) { a.current = nil }, false},
		"no member":    {func(a *author) { a.nodes = append(a.nodes, a.nodes[0]) }, false},
		"joining":      {func(a *author) { a.current.Members[0].Phase = layout.Joining }, false},
		"a loss":       {func(a *author) { a.current.Segments[0].Loss = 1 }, false},
		"the dead":     {func(a *author) { a.current.Dead = []layout.ID{{9}} }, false},
		"no answer":    {func(a *author) { a.clock.now = time.Second }, false},
		"unconnected":  {func(a *author) { a.nodes[0].conn = nil }, false},
		"not complete": {func(a *author) { a.nodes[0].status.Segments[0].Complete = false }, false},
	} {
		l := &layout.Layout{Epoch: 1, Members: []layout.Member{{Name: name, Incarnation: layout.ID{1}, Phase: layout.Serving}}}
		l.Segments = layout.SegmentsOf(l.Members, 1)
		n := &node{name: name, last: layout.ID{1}, conn: new(peer.Conn), status: peer.Status{
			Epoch: 1, Ready: true, Segments: []peer.SegmentStatus{{Complete: true, Active: true}},
		}}
		a := &author{current: l, nodes: []*node{n}}
		c.spoil(a)
		if got := a.calm(); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

// A node that was told to stop says for how long it waits: it counts from when it said so.
func TestTimeThatIsLeft(t *testing.T) {
	said := time.Now().Add(-2 * time.Second)
	a := &author{ready: true, nodes: []*node{
		{last: layout.ID{1}, said: said, status: peer.Status{Ending: true, WaitsFor: new(int64(7000))}},
		{last: layout.ID{2}, said: said},
	}}
	ending := a.world().Ending
	left, known := ending[layout.ID{1}]
	if !known || left > 5*time.Second || left < 0 || len(ending) != 1 {
		t.Errorf("the time that is left is %v", ending)
	}
}
