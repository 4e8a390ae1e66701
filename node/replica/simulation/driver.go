package simulation

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/wire"
)

const (
	beatEvery   = 400 * time.Millisecond
	tickEvery   = 100 * time.Millisecond
	callTimeout = time.Second
)

// run does what the machine wants to be done.
func (p *process) run(fx replica.Effects) {
	if p.dead {
		return
	}
	for _, r := range fx.Replicates {
		p.sim.trace(p, "sends %s to %s", shownEntry{&r.Msg.Entry}, shownID(r.To.Incarnation))
		p.call(r.To, &r.Msg, callTimeout, func(a reply) { p.run(p.machine.Replicated(r, a.err == nil, p.clock())) })
	}
	for _, g := range fx.Gathers {
		p.call(g.To, &g.Gather, callTimeout, func(a reply) {
			var got *wire.Gathered
			if a.err == nil {
				b := a.body.(wire.Gathered)
				got = &b
			}
			p.run(p.machine.Gathered(g, got, p.clock()))
		})
	}
	if fx.Activated {
		p.beat()
	}
	for _, u := range fx.Dropped {
		p.freeing.Dropped(u)
	}
}

// beat beats all members that are owners of a slot whose primary this node is.
func (p *process) beat() {
	if p.table == nil {
		return
	}
	for i := range p.table.Layout.Members {
		if m := &p.table.Layout.Members[i]; p.leads(m) {
			p.beatOne(m)
		}
	}
}

// leads tells whether another member is an owner of slots whose primary is this node.
func (p *process) leads(m *layout.Member) bool {
	if m.Incarnation == p.id {
		return false
	}
	for i := range p.table.Layout.Segments {
		o := p.table.Owners(p.table.Layout.Segments[i].Lo)
		if o.Primary == nil || o.Primary.Incarnation != p.id {
			continue
		}
		for _, a := range o.Ack {
			if a.Incarnation == m.Incarnation {
				return true
			}
		}
	}
	return false
}

func (p *process) beatOne(m *layout.Member) {
	told := p.told[m.Incarnation]
	if told == nil {
		told = new([layout.Slots]kv.Version)
		p.told[m.Incarnation] = told
	}
	b := wire.Beat{Marks: p.machine.Marks(m.Incarnation, told)}
	sent := p.clock()
	p.call(m, b, callTimeout, func(r reply) {
		if r.err != nil {
			*told = [layout.Slots]kv.Version{} // it may not have heard
			return
		}
		c := p.contact(m.Incarnation)
		c.answered = max(c.answered, sent)
		p.machine.Granted(m.Incarnation, r.epoch, sent)
	})
}

// status is what the node says of itself to the author.
func (p *process) status() *peer.Status {
	st := &peer.Status{Name: p.host.name.String(), Incarnation: p.id, Epoch: p.epoch(), Purged: p.machine.Purged(), Ending: p.ending, Retired: p.retired}
	if p.ending {
		st.WaitsFor = new(max(0, (p.waits - p.sim.now).Milliseconds()))
	}
	if p.table == nil {
		return st
	}
	st.Cluster = p.table.Layout.Cluster
	me := p.table.Member(p.id)
	if me == nil {
		return st
	}
	now := p.clock()
	l := p.table.Layout
	for i := range l.Segments {
		if !me.Name.Range.Contains(l.Segments[i].Lo) {
			continue
		}
		st.Segments = append(st.Segments, p.segment(&l.Segments[i], p.sim.endOf(l, i), now))
	}
	st.Peers, st.Joining = p.sights(), p.joining()
	return st
}

// segment says what holds for all slots of a segment. Slots without keys and values are
// looked at at its beginning only: they are all alike, but for the time of copying.
func (p *process) segment(g *layout.Segment, end int, now time.Duration) peer.SegmentStatus {
	st := peer.SegmentStatus{Lo: g.Lo, View: g.View, Active: true, Copied: true, Complete: true}
	for n := int(g.Lo); n <= end; n++ {
		s := p.machine.State(uint8(n), now)
		st.Active = st.Active && s.Active
		st.Copied = st.Copied && s.Copied
		st.Complete = st.Complete && s.Complete
		if s.View != g.View {
			st.View = 0
		}
	}
	return st
}
