package simulation

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/controllers/placement"
)

// decision is what an author thought when it wrote a record.
type decision struct {
	author *author
	shape  []layout.Range
	at     time.Duration
	fine   map[layout.ID]bool // members of whom it has no reason to think badly
	silent map[layout.ID]bool // members that did not answer for a while
}

// decide returns the record that is to follow, and why, or nil and what stands in the way.
func (a *author) decide(r *record) (next *record, why string, by *decision) {
	s := a.sim
	w := &s.wishes.now
	by = &decision{author: a, shape: w.shape(), at: s.now}
	if r == nil {
		names := w.names()
		l, why := placement.Next(cluster, nil, names, a.world(nil))
		if l == nil {
			return nil, why, by
		}
		return &record{layout: l, names: names}, why, by
	}
	plan := membership.Next(membership.Wish{Cluster: clusterName, Shape: by.shape, Surge: w.surge}, a.nodes(r), r.serial)
	l, why := placement.Next(cluster, r.layout, plan.Stay, a.world(r.layout))
	if l == nil {
		l = r.layout
	}
	by.fine, by.silent = a.fineMembers(r.layout), a.silentMembers(r.layout)
	next = &record{layout: l, names: plan.Nodes, serial: plan.Serial}
	if next.layout == r.layout && next.serial == r.serial && slices.Equal(next.names, r.names) {
		return nil, why, by
	}
	return next, why, by
}

// nodes are those of a record, with what is known of them.
func (a *author) nodes(r *record) []membership.Node {
	s := a.sim
	var out []membership.Node
	for _, name := range r.names {
		n := membership.Node{Name: name, Phase: furthest(r.layout, name)}
		if h := s.hostNamed(name); h != nil {
			n.Ends = h.stopping || a.hasRetired(h)
			n.Moves = h.machine == s.wishes.now.drained
			n.Old = h.revision != s.wishes.now.revision && a.hasDuties(r.layout, h)
		}
		out = append(out, n)
	}
	return out
}

// furthest is how far the members of a node have come. One that leaves has everything, and
// yet one that serves has come further.
func furthest(l *layout.Layout, name layout.Name) (p layout.Phase) {
	order := []layout.Phase{0, layout.Joining, layout.Attached, layout.Leaving, layout.Serving}
	for i := range l.Members {
		if m := &l.Members[i]; m.Name == name && slices.Index(order, m.Phase) > slices.Index(order, p) {
			p = m.Phase
		}
	}
	return p
}

// hasDuties tells whether a host holds something: a member that is not proven dead, and does
// not only join.
func (a *author) hasDuties(l *layout.Layout, h *host) bool {
	return slices.ContainsFunc(l.Members, func(m layout.Member) bool {
		p := a.sim.process(m.Incarnation)
		return p.host == h && m.Phase.Acknowledges() && (p.proof == 0 || p.proof > a.sim.now)
	})
}

// hasRetired tells whether the process that runs at a host said last that it is retired.
func (a *author) hasRetired(h *host) bool {
	if len(h.all) == 0 {
		return false
	}
	o := a.seen[h.all[len(h.all)-1].id]
	return o != nil && o.status != nil && o.status.Retired
}

// attend makes hosts for the nodes of a record, makes those anew that are of an old
// template and hold nothing, and takes others away. These are some that there were before
// the record was read: what was made since is no concern of it.
func (a *author) attend(r *record, before []*host) {
	s := a.sim
	if r == nil {
		return
	}
	for _, name := range r.names {
		if s.hostNamed(name) == nil {
			h := s.addHost(name)
			s.trace(nil, "host %d is made for %s", h.number, name)
			s.at(s.now+s.some(s.profile.restart), nil, func() { h.begin(s) })
		}
	}
	for _, h := range before {
		switch {
		case !slices.Contains(r.names, h.name):
			s.drop(h)
		case h.revision != s.wishes.now.revision && !a.hasDuties(r.layout, h):
			s.stop(h, s.profile.grace)
		}
	}
}

// endings is how long members have whose processes were told to stop, by their hosts and by what
// they say themselves.
func (a *author) endings(l *layout.Layout) map[layout.ID]time.Duration {
	s := a.sim
	out := make(map[layout.ID]time.Duration)
	for i := range l.Members {
		id := l.Members[i].Incarnation
		h := s.made[id[0]-1]
		if h.stopping && h.lives == int(id[1]) {
			out[id] = h.deadline - s.now
		}
		if o := a.seen[id]; o != nil && o.status != nil && o.status.WaitsFor != nil {
			waits := time.Duration(*o.status.WaitsFor)*time.Millisecond - (s.now - o.heard)
			if left, known := out[id]; !known || waits < left {
				out[id] = waits
			}
		}
	}
	return out
}

// knewMember tells whether an author has heard of a process since that knew that it was a
// member. What it heard before may still let it be taken for one that has nothing: such a one
// finds out by itself.
func (a *author) knewMember(id layout.ID) bool {
	o := a.seen[id]
	return a.sim.process(id).member && (o == nil || o.status == nil || o.status.Epoch > 0)
}

func (a *author) fineMembers(l *layout.Layout) map[layout.ID]bool {
	out := make(map[layout.ID]bool)
	for i := range l.Members {
		id := l.Members[i].Incarnation
		out[id] = a.isFine(id)
	}
	return out
}

func (a *author) silentMembers(l *layout.Layout) map[layout.ID]bool {
	out := make(map[layout.ID]bool)
	for i := range l.Members {
		id := l.Members[i].Incarnation
		o := a.seen[id]
		out[id] = o == nil || a.sim.now-o.heard >= placement.SuspectAfter/2
	}
	return out
}

// isFine tells whether an author has no reason to take a member out but that its node goes.
func (a *author) isFine(id layout.ID) bool {
	s := a.sim
	o := a.seen[id]
	if o == nil || o.status == nil || s.now-o.heard >= placement.SuspectAfter/2 || s.process(id).proof != 0 {
		return false
	}
	// Another process may run at its host by now.
	if s.made[id[0]-1].stopping || o.status.Ending {
		return false
	}
	complains := func(of *seen, about layout.ID) bool {
		for _, p := range of.status.Peers {
			if (about == layout.ID{} || p.Incarnation == about) && time.Duration(p.Silent)*time.Millisecond >= placement.SuspectAfter {
				return true
			}
		}
		return false
	}
	for _, other := range a.known() {
		if other.status != nil && complains(other, id) {
			return false
		}
	}
	return !complains(o, layout.ID{})
}
