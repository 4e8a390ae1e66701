package simulation

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/placement"
)

// What must hold while nodes come and go by plan. None of it asks the product.

// planned is what the simulation knows of nodes and members that are no more.
type planned struct {
	names  map[layout.Name]bool // that nodes had
	left   map[layout.ID]bool   // incarnations that were members
	served map[view]bool        // somebody was active there
}

type view struct {
	slot uint8
	view uint64
}

// recorded is told of every record that became durable.
func (f *truth) recorded(before, after *record, by *decision) {
	f.named(before, after)
	switch {
	case before == nil:
		f.written(nil, after.table)
	case before.layout != after.layout:
		f.written(before.table, after.table)
		f.moved(before.table, after.table, by)
		f.attached(before.table, after.table, by)
		f.sim.faults.wrote(after.layout)
	}
}

// named checks that no name is given to a second node, and that none goes while it has
// members.
func (f *truth) named(before, after *record) {
	for _, n := range after.names {
		if before != nil && slices.Contains(before.names, n) {
			continue
		}
		if f.planned.names[n] {
			f.sim.violated("node %s is of today, and there was another one of that name", n)
		}
		f.planned.names[n] = true
	}
	for i := range after.layout.Members {
		if m := &after.layout.Members[i]; !slices.Contains(after.names, m.Name) {
			f.sim.violated("layout %d has %s, and there is no such node", after.layout.Epoch, m.Name)
		}
	}
}

// moved checks what becomes of members from one layout to the next.
func (f *truth) moved(before, after *layout.Table, by *decision) {
	s := f.sim
	for i := range after.Layout.Members {
		m := &after.Layout.Members[i]
		if f.planned.left[m.Incarnation] && m.JoinEpoch == after.Layout.Epoch && by.author.knewMember(m.Incarnation) {
			s.violated("layout %d: %s is a member again (F12)", after.Layout.Epoch, idName(m.Incarnation))
		}
	}
	for i := range before.Layout.Members {
		m := &before.Layout.Members[i]
		now := after.Member(m.Incarnation)
		if now == nil {
			f.planned.left[m.Incarnation] = true
			f.out(m, before, after, by)
			continue
		}
		switch {
		case m.Phase == layout.Serving && now.Phase == layout.Leaving:
			s.count("hand over")
			f.covered(m, before, after, by)
		case m.Phase == layout.Leaving && now.Phase == layout.Serving:
			s.count("restored")
		}
	}
}

// out checks that a member had reason to go.
func (f *truth) out(m *layout.Member, before, after *layout.Table, by *decision) {
	s := f.sim
	fine := by.fine[m.Incarnation]
	p := s.process(m.Incarnation)
	switch {
	case p.host.stopping && p.host.deadline-by.at < placement.HurryBefore && !p.dead && m.Phase.Acknowledges():
		s.count("hurried")
	case p.ending && !p.gaveUp && p.waits-by.at < placement.HurryBefore && !p.dead && m.Phase == layout.Serving && !by.silent[m.Incarnation]:
		s.count("hurried before it waits no longer")
	case m.Phase == layout.Leaving && fine:
		s.count("left")
		f.covered(m, before, after, by)
		f.tookOver(m, before, after.Layout.Epoch)
	case m.Phase == layout.Serving && fine:
		s.violated("layout %d: %s serves, and is taken out (I4)", after.Layout.Epoch, idName(m.Incarnation))
	}
}

// covered checks that all slots of a member have as many copies without it as they are to
// have (I4).
func (f *truth) covered(m *layout.Member, before, after *layout.Table, by *decision) {
	for n := range layout.Slots {
		slot := uint8(n)
		if !has(before.Owners(slot).Ack, m) {
			continue
		}
		wanted := 0
		for _, r := range by.shape {
			if r.Contains(slot) {
				wanted++
			}
		}
		if have := len(after.Owners(slot).Serving); have < wanted {
			f.sim.violated("layout %d: %s goes, and slot %d has %d copies of %d (I4)", after.Layout.Epoch, idName(m.Incarnation), n, have, wanted)
		}
	}
}

// tookOver checks that others were active where a member was leaving.
func (f *truth) tookOver(m *layout.Member, before *layout.Table, epoch uint64) {
	for _, slot := range f.sim.slots {
		o := before.Owners(slot)
		if has(o.Ack, m) && !f.planned.served[view{slot, o.View}] {
			f.sim.violated("layout %d: %s is taken out, and nobody was active in slot %d, view %d", epoch, idName(m.Incarnation), slot, o.View)
		}
	}
}

// letGo checks that a process which ends by itself has no duties in the newest layout that it
// has. A newer one, by which it begins slots that were lost, is no harm: nothing was written by it.
func (s *Simulation) letGo(p *process) {
	if m := p.me(); m != nil && m.Phase.Acknowledges() && !p.gaveUp {
		s.violated("%s ends, and is %s in layout %d", idName(p.id), m.Phase, p.epoch())
	}
}

// me is where a process stands in the newest layout that it has.
func (p *process) me() *layout.Member {
	if p.table == nil {
		return nil
	}
	return p.table.Member(p.id)
}

// maxAway is for how long at most nobody may be active in a slot, and a client may wait, if
// nothing goes wrong.
const maxAway = time.Second

// away notes that a slot has lost its active primary, or has one again.
func (s *Simulation) away(i int, active bool) {
	if !active {
		for _, h := range s.hosts {
			if h.proc != nil && h.proc.active[i] {
				return
			}
		}
		s.gone[i] = s.now
		return
	}
	if s.gone[i] == 0 {
		return
	}
	d := s.now - s.gone[i]
	s.gone[i] = 0
	if s.kind != Calm {
		return
	}
	s.longest("nobody active", d)
	if d > maxAway {
		s.violated("nobody was active in slot %d for %v", s.slots[i], d)
	}
}

// answered checks how long a client waited, and that it was told what became of its request.
func (s *Simulation) answered(r *request, told bool) {
	if s.kind != Calm {
		return
	}
	s.longest("a request", s.now-r.began)
	if !told {
		s.violated("nothing went wrong, and %s %v at %s was not answered", r.key, r.in, idName(r.at.id))
	}
	if d := s.now - r.began; d > maxAway {
		s.violated("%s %v took %v", r.key, r.in, d)
	}
}
