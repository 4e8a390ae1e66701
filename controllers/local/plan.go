package local

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/placement"
)

// maxSteps is how many steps one look may lead to. It is a guard against two rules that
// undo each other, no limit that anything reaches.
const maxSteps = 16

// plan takes the steps that are due. Where one leads to the next at once, nodes are told
// of the last only: layouts may be skipped.
func (a *author) plan() {
	a.looks++
	now := a.urgent || a.busy.Load() || !a.ready || a.looks%idle == 0
	if a.urgent = false; !now {
		return
	}
	for range maxSteps {
		a.members()
		if !a.step() {
			break
		}
	}
	a.listen()
	a.hindrances()
	calm := a.calm()
	if a.busy.Swap(!calm) == calm {
		for _, n := range a.nodes {
			n.ask()
		}
	}
	a.relax(calm)
}

// step takes one step, if there is one.
func (a *author) step() bool {
	next, why := placement.Next(a.cluster, a.current, a.stay, a.world())
	if next == nil {
		if a.ready && why != "" && why != a.puzzled {
			a.out.note("waiting: %s", why)
		}
		a.puzzled = why
		return false
	}
	if a.current != nil {
		a.upset()
		for _, line := range news(a.current, next, why) {
			a.out.note("%s", line)
		}
	}
	a.current = next
	for id := range a.dead {
		if !has(next, id) {
			delete(a.dead, id)
		}
	}
	return true
}

// world is what is seen. Until all nodes have served once their silence is the trouble of
// starting many processes at once.
func (a *author) world() placement.World {
	w := placement.World{Silent: make(map[layout.ID]time.Duration), Ending: make(map[layout.ID]time.Duration)}
	for _, n := range a.nodes {
		if n.last == (layout.ID{}) || n.dropped {
			continue
		}
		if a.ready {
			w.Silent[n.last] = a.silence(n)
		}
		if waits := n.status.WaitsFor; waits != nil {
			w.Ending[n.last] = time.Duration(*waits)*time.Millisecond - time.Since(n.said)
		}
		if n.conn != nil {
			w.Seen = append(w.Seen, n.observation(a.clock.now-n.since))
		}
	}
	for id := range a.dead {
		w.Dead = append(w.Dead, id)
	}
	return w
}

func (n *node) observation(answering time.Duration) placement.Observation {
	s := &n.status
	return placement.Observation{
		Name: n.name, Address: n.address, Home: n.home, Incarnation: n.last, Cluster: s.Cluster, Epoch: s.Epoch,
		Layout: s.Layout, Purged: s.Purged, Segments: s.Segments, Peers: s.Peers, Joining: s.Joining, Answering: answering,
		Unfit: s.Ending || s.Retired,
	}
}

// listen says who does not answer any more.
func (a *author) listen() {
	for _, n := range a.nodes {
		if a.ready && n.last != (layout.ID{}) && !n.silent && !n.dropped && a.silence(n) >= placement.SuspectAfter {
			n.silent = true
			a.upset()
			a.out.note("%s (pid %d) has not answered for %.1f s.", n.name, n.proc.pid(), a.silence(n).Seconds())
		}
	}
}

// calm tells whether nothing is under way: every name has one member, all serve and
// answer, have this layout and everything of it, and no marks of the past are left.
func (a *author) calm() bool {
	l := a.current
	if l == nil || len(l.Members) != len(a.nodes) || len(l.Dead) > 0 {
		return false
	}
	for i := range l.Members {
		if l.Members[i].Phase != layout.Serving {
			return false
		}
	}
	for i := range l.Segments {
		if l.Segments[i].Loss > 0 {
			return false
		}
	}
	primaries := primaries(l)
	for _, n := range a.nodes {
		if n.conn == nil || a.silence(n) >= placement.SuspectAfter/2 || !n.settled(l, primaries) {
			return false
		}
	}
	return true
}

// settled tells whether a node serves by this layout, and nothing troubles it.
func (n *node) settled(l *layout.Layout, primaries map[uint8]layout.ID) bool {
	if n.status.Epoch != l.Epoch || !n.status.Ready {
		return false
	}
	for _, s := range n.status.Segments {
		if !s.Complete || primaries[s.Lo] == n.last && !s.Active {
			return false
		}
	}
	for _, p := range n.status.Peers {
		if time.Duration(p.Silent)*time.Millisecond >= placement.SuspectAfter {
			return false
		}
	}
	return true
}

// primaries are those of the segments, by their first slots.
func primaries(l *layout.Layout) map[uint8]layout.ID {
	table := layout.NewTable(l)
	out := make(map[uint8]layout.ID, len(l.Segments))
	for i := range l.Segments {
		if p := table.Owners(l.Segments[i].Lo).Primary; p != nil {
			out[l.Segments[i].Lo] = p.Incarnation
		}
	}
	return out
}

func has(l *layout.Layout, id layout.ID) bool {
	for i := range l.Members {
		if l.Members[i].Incarnation == id {
			return true
		}
	}
	return false
}
