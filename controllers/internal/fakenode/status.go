package fakenode

import (
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// questions is how often a node must be asked until it has copied, and until it is
// complete.
const questions = 2

// askedFor is what a node was asked about: a segment while it is in one phase.
type askedFor struct {
	lo    uint8
	phase layout.Phase
}

// everybody is who was what incarnation, of all nodes of the test binary: nodes know of
// each other by it.
var everybody registry

type registry struct {
	mu    sync.Mutex
	nodes map[layout.ID]*Node
}

func (r *registry) enter(id layout.ID, n *Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.nodes == nil {
		r.nodes = make(map[layout.ID]*Node)
	}
	r.nodes[id] = n
}

func (r *registry) of(id layout.ID) *Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.nodes[id]
}

// silence is for how long nobody has heard of an incarnation, and the epoch that it has.
func silence(id layout.ID) (silent time.Duration, epoch uint64) {
	n := everybody.of(id)
	if n == nil {
		return time.Hour, 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.layout != nil {
		epoch = n.layout.Epoch
	}
	switch {
	case n.id != id:
		return time.Hour, 0
	case n.silent.IsZero():
		return 0, epoch
	}
	return time.Since(n.silent), epoch
}

// others is what a node finds out of those with whom it shares slots, before it looks at
// itself: no two nodes look at each other at the same time.
func others(table *layout.Table, me layout.ID) (map[layout.ID]time.Duration, map[layout.ID]uint64) {
	silent, epochs := make(map[layout.ID]time.Duration), make(map[layout.ID]uint64)
	self := table.Member(me)
	if self == nil {
		return silent, epochs
	}
	for i := range table.Layout.Segments {
		g := &table.Layout.Segments[i]
		if !self.Name.Range.Contains(g.Lo) {
			continue
		}
		for _, m := range table.Owners(g.Lo).Ack {
			if _, known := silent[m.Incarnation]; !known && m != self {
				silent[m.Incarnation], epochs[m.Incarnation] = silence(m.Incarnation)
			}
		}
	}
	return silent, epochs
}

func (n *Node) status() *peer.Status {
	n.mu.Lock()
	table, id := n.table, n.id
	n.mu.Unlock()
	var v view
	if table != nil {
		v.silent, v.epochs = others(table, id)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &peer.Status{Name: n.Name, Incarnation: n.id, Reason: "no layout yet"}
	if n.layout != nil {
		s.Cluster, s.Epoch, s.Layout = n.layout.Cluster, n.layout.Epoch, n.hash
		s.Reason = "not in the layout"
		if v.table = n.table; v.table.Member(n.id) != nil {
			n.describe(s, &v)
		}
	}
	s.Ending, s.Retired = n.ending, n.retired
	switch {
	case n.ending:
		s.Ready, s.Reason = false, "ending"
	case n.retired:
		s.Reason = "retired"
	}
	if n.change != nil {
		n.change(s)
	}
	return s
}

// view is what a member goes by.
type view struct {
	table  *layout.Table
	silent map[layout.ID]time.Duration
	epochs map[layout.ID]uint64
}

// describe says what a member holds, and of whom it hears.
func (n *Node) describe(s *peer.Status, v *view) {
	l, me := v.table.Layout, v.table.Member(n.id)
	s.Phase, s.Purged = me.Phase.String(), l.Epoch
	waking := false
	for i := range l.Segments {
		g := &l.Segments[i]
		if !me.Name.Range.Contains(g.Lo) {
			continue
		}
		is := n.segment(v, me, g)
		waking = waking || !is.Active && v.table.Owners(g.Lo).Primary == me
		s.Segments = append(s.Segments, is)
	}
	s.SlotsOwned, s.SlotsComplete = len(s.Segments), 0
	for i := range s.Segments {
		if s.Segments[i].Complete || s.Segments[i].Copied {
			s.SlotsComplete++
		}
	}
	for i := range l.Members {
		id := l.Members[i].Incarnation
		if silent, shares := v.silent[id]; shares {
			s.Peers = append(s.Peers, peer.PeerStatus{Incarnation: id, Silent: silent.Milliseconds()})
		}
	}
	s.Reason = ""
	switch {
	case me.Phase != layout.Serving:
		s.Reason = s.Phase
	case waking:
		s.Reason = "not active yet"
	}
	s.Ready = s.Reason == ""
}

// segment is how far a member is with one: it copies from the primary as long as that
// lives, and a primary is active when all who acknowledge have the view.
func (n *Node) segment(v *view, me *layout.Member, g *layout.Segment) peer.SegmentStatus {
	s := peer.SegmentStatus{Lo: g.Lo, View: g.View}
	owners := v.table.Owners(g.Lo)
	active := owners.Primary != nil
	for _, m := range owners.Ack {
		if m != me && (v.silent[m.Incarnation] > 0 || v.epochs[m.Incarnation] < g.View) {
			active = false
		}
	}
	s.Active = active && owners.Primary == me
	switch {
	case me.Phase == layout.Serving || me.Phase == layout.Leaving:
		s.Complete = true
	case n.held:
	case me.Phase == layout.Attached && active:
		s.Complete = n.enough(askedFor{g.Lo, me.Phase})
		s.Copied = true
	case me.Phase == layout.Joining && owners.Primary != nil && v.silent[owners.Primary.Incarnation] == 0:
		s.Copied = n.enough(askedFor{g.Lo, me.Phase})
	}
	return s
}

// enough tells whether a node was asked often enough.
func (n *Node) enough(what askedFor) bool {
	if n.asked == nil {
		n.asked = make(map[askedFor]int)
	}
	n.asked[what]++
	return n.asked[what] > questions
}
