package simulation

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/wire"
)

// hazards are what a flavour adds to the faults of all seeds.
type hazards struct {
	look   time.Duration            // about so often an author looks
	hazard func(f *faults, h *host) // what goes wrong, instead of the usual faults
	holds  float64                  // how probably a new layout is held back from somebody it does not concern
	lags   float64                  // how probably an entry is late on its way to an owner, or its acknowledgement
	lagFor time.Duration            // at most; 0: as long as is waited for
	spares int                      // how many of those who gave leases to who was stranded live on

	stallAt    string // tasks of this name are stalled
	stallFirst bool   // before anything else they wait for, only
	stallLate  bool   // while members are missing or come, only
	stallOften float64
	stallFor   time.Duration // at most
}

// stallsAt tells for how long a task is stalled whose kind the flavour is about.
func (f *faults) stallsAt(t *task) time.Duration {
	p := &f.sim.profile
	if f.over || p.stallAt != t.name || p.stallFirst && t.turn > 0 || p.stallLate && (t.stalls || !f.sim.underWay()) {
		return 0
	}
	if f.sim.rng.Float64() >= p.stallOften {
		return 0
	}
	d := time.Duration((1 + f.sim.rng.Float64()) / 2 * float64(p.stallFor))
	f.until = max(f.until, f.sim.now+d)
	return d
}

// hold tells how much later a message with a layout reaches a host.
func (f *faults) hold(l *layout.Layout, to *host) time.Duration {
	if f.over || l == nil || to.proc == nil || to.proc.epoch() >= l.Epoch {
		return 0
	}
	return max(0, f.held[to.number]-f.sim.now)
}

// lag tells how much later a message arrives that is about ordered entries.
func (f *faults) lag(body any) time.Duration {
	s := f.sim
	if _, is := body.(*wire.Replicate); !is || f.over || s.profile.lags == 0 || s.rng.Float64() >= s.profile.lags {
		return 0
	}
	most := callTimeout
	if s.profile.lagFor > 0 {
		most = s.profile.lagFor
	}
	return time.Duration(s.rng.Float64() * float64(most))
}

// written is told of every layout that became durable, before anybody hears of it.
func (f *faults) written(before, after *layout.Table) {
	s := f.sim
	if f.over || before == after {
		return
	}
	if f.stranded != (layout.ID{}) && after.Member(f.stranded) == nil {
		f.follow(before)
	}
	if s.rng.Float64() < s.profile.holds {
		f.holdBack(after)
	}
}

// follow lets those die soon who were owners with the one that was stranded.
func (f *faults) follow(t *layout.Table) {
	s := f.sim
	all := companions(t, f.stranded)
	s.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, id := range all[:max(0, len(all)-s.profile.spares)] {
		p := s.process(id)
		s.at(s.now+s.some(20*time.Millisecond), nil, func() {
			if p.host.proc == p {
				f.crash(p.host)
			}
		})
	}
	f.stranded = layout.ID{}
}

// holdBack keeps a layout for a while from a member whose slots it does not change.
func (f *faults) holdBack(t *layout.Table) {
	s := f.sim
	var of []*host
	for _, h := range s.hosts {
		if h.proc != nil && !f.concerns(t, h.proc.id) {
			of = append(of, h)
		}
	}
	if len(of) > 0 {
		h := pick(s.rng, of)
		f.holdUntil(h, s.now+time.Second/2+s.some(2*time.Second))
		s.trace(h.proc, "does not hear of layout %d until %v", t.Layout.Epoch, f.held[h.number])
	}
}

// concerns tells whether a layout begins a view of slots of a member.
func (f *faults) concerns(t *layout.Table, id layout.ID) bool {
	for i := range t.Layout.Segments {
		if g := &t.Layout.Segments[i]; g.View == t.Layout.Epoch {
			for _, m := range t.Owners(g.Lo).Ack {
				if m.Incarnation == id {
					return true
				}
			}
		}
	}
	return false
}

// companions are the other owners of a member's slots.
func companions(t *layout.Table, id layout.ID) (all []layout.ID) {
	seen := map[layout.ID]bool{id: true}
	for i := range t.Layout.Segments {
		owners := t.Owners(t.Layout.Segments[i].Lo).Ack
		if !has(owners, &layout.Member{Incarnation: id}) {
			continue
		}
		for _, m := range owners {
			if !seen[m.Incarnation] {
				seen[m.Incarnation] = true
				all = append(all, m.Incarnation)
			}
		}
	}
	return all
}

// losePart ends all owners of a slot.
func (f *faults) losePart(*host) {
	s := f.sim
	for _, m := range s.durable.newest().Owners(pick(s.rng, s.slots)).Ack {
		if p := s.process(m.Incarnation); p.host.proc == p {
			f.crash(p.host)
		}
	}
}

// strand cuts a host off; when it is no member any more those die who gave it leases.
func (f *faults) strand(h *host) {
	if h.proc == nil || h.proc.phase() != layout.Serving {
		return
	}
	f.isolate(h, 8*time.Second)
	f.stranded = h.proc.id
}

// leaveBehind cuts a host off until others have taken over, and then lets it reach them,
// but nothing that would tell it of what has happened.
func (f *faults) leaveBehind(h *host) {
	d := 3300*time.Millisecond + f.sim.some(2*time.Second)
	f.isolate(h, d)
	f.holdUntil(h, f.sim.now+d+f.sim.some(5*time.Second))
}

// isolate cuts a host off from all others and from the author.
func (f *faults) isolate(h *host, d time.Duration) {
	s := f.sim
	s.trace(h.proc, "is cut off from all for %v", d)
	s.network.cut[way{h.number, authorPlace}], s.network.cut[way{authorPlace, h.number}] = s.now+d, s.now+d
	for _, o := range s.hosts {
		s.network.cut[way{h.number, o.number}], s.network.cut[way{o.number, h.number}] = s.now+d, s.now+d
	}
}

// holdUntil keeps newer layouts from a host.
func (f *faults) holdUntil(h *host, end time.Duration) {
	if f.held == nil {
		f.held = make(map[int]time.Duration)
	}
	f.held[h.number] = end
	f.until = max(f.until, end)
}
