package simulation

import (
	"slices"
	"time"
)

// flavour makes a seed about one thing more than chance would.
type flavour struct {
	name string
	set  func(s *Simulation, p *profile, n *network)
}

// flavours are what chance alone comes to too rarely. The first ones are for all seeds, the
// others, which let little else go wrong, for those in which nothing is wished for.
var flavours = []flavour{
	{"values", aboutValues},
	{"views", aboutViews},
	{"losses", aboutLosses},
	{"parts", aboutParts},
	{"heirs", aboutHeirs},
	{"successors", aboutSuccessors},
	{"holding", aboutHolding},
	{"behind", aboutBehind},
	{"turns", aboutTurns},
	{"acks", aboutAcks},
	{"pages", aboutPages},
	{"pending", aboutPending},
	{"orders", aboutOrders},
	{"late", aboutLate},
	{"doors", aboutDoors},
}

// usual is how many of them are for all seeds, and places for how many more there is room: one that
// is added leaves the others' seeds as they are.
const usual, places = 3, 16

// flavour gives the seed the flavour that is asked for, or one by chance, or none.
func (s *Simulation) flavour() {
	i := s.rng.IntN(2 * usual)
	if i == usual && s.kind == Still {
		i += s.rng.IntN(places)
	} else if i >= usual {
		i = len(flavours)
	}
	if s.about != "" {
		if i = slices.IndexFunc(flavours, func(f flavour) bool { return f.name == s.about }); i < 0 {
			s.violated("there is no flavour %q", s.about)
		}
	}
	if i < len(flavours) {
		flavours[i].set(s, &s.profile, &s.network)
	}
}

// aboutValues: values are written once and referred to once: they are often about to be
// freed.
func aboutValues(s *Simulation, p *profile, _ *network) {
	p.clients, p.think, p.values = 1+s.rng.IntN(2), 700*time.Millisecond, 12
	p.stall, p.length = pick(s.rng, []float64{0.05, 0.3, 0.5}), 25*time.Second
}

// aboutViews: views change while much is under way.
func aboutViews(s *Simulation, p *profile, n *network) {
	p.clients, p.think, p.every = 4, 20*time.Millisecond, 400*time.Millisecond
	p.pause, p.cut, p.restart, p.storage = 4, 4, 100*time.Millisecond, 5*time.Millisecond
	n.usual, n.late, n.latest = pick(s.rng, []time.Duration{20 * time.Millisecond, 100 * time.Millisecond}), 0.1, 1500*time.Millisecond
}

// aboutLosses: slots are lost and begun again soon, while somebody who was cut off lives
// on.
func aboutLosses(_ *Simulation, p *profile, _ *network) {
	p.copies, p.shards, p.gentle, p.every = 2, 2, false, 400*time.Millisecond
	p.crash, p.pause, p.cut, p.authors, p.slow = 2, 0, 4, 0, 0
	p.restart, p.storage, p.neverProof, p.lateProof = 100*time.Millisecond, 5*time.Millisecond, 0, 0
}

// calm lets nothing go wrong but a hazard, about so often. Authors are quick, and what
// dies is proven dead and comes back.
func (p *profile) calm(n *network, every time.Duration, hazard func(f *faults, h *host)) {
	p.every, p.hazard, p.afterAdopt = every, hazard, 0
	p.storage, p.storageFails, p.halfPushes, p.look = 5*time.Millisecond, 0, 0, 40*time.Millisecond
	p.neverProof, p.lateProof, p.restart, p.gentle = 0, 0, 100*time.Millisecond, true
	n.loss, n.twice, n.late, n.usual = 0, 0, 0, time.Millisecond
}

// aboutParts: slots are lost of which only some have values that keys of others refer to,
// and those who begin them come one after the other, before they have all of their other
// slots.
func aboutParts(s *Simulation, p *profile, n *network) {
	p.calm(n, 3*time.Second, (*faults).losePart)
	p.copies, p.shards, p.restart, p.gentle = 2, 4, time.Second, false
	p.clients, p.think, p.keys, p.values, p.length = 4, 150*time.Millisecond, 16, 60, 12*time.Second
	p.stall, p.stallAt, p.stallOften, p.stallFor = 0, "copying", 0.2, 400*time.Millisecond
}

// aboutHeirs: somebody who was cut off has leases yet from those who died since.
func aboutHeirs(s *Simulation, p *profile, n *network) {
	p.calm(n, 5*time.Second, (*faults).strand)
	p.copies, p.gentle, p.restart, p.stall = 2, false, 10*time.Millisecond, 0
	p.shards = 2 + s.rng.IntN(2)
}

// aboutSuccessors: who took over from somebody that was cut off dies too, and the next one has
// given leases to both.
func aboutSuccessors(_ *Simulation, p *profile, n *network) {
	p.calm(n, 6*time.Second, (*faults).strand)
	p.copies, p.shards, p.spares, p.restart, p.stall = 3, 3, 1, 10*time.Millisecond, 0
}

// aboutHolding: values arrive while members are attached, and some primaries have not heard
// of it.
func aboutHolding(_ *Simulation, p *profile, n *network) {
	p.calm(n, 2*time.Second, (*faults).crash)
	p.copies, p.shards, p.values, p.holds = 2, 4, 80, 0.7
	p.clients, p.think, p.reads, p.deletes, p.length = 10, 100*time.Millisecond, 5, 5, 15*time.Second
	p.stall, p.stallAt, p.stallOften, p.stallFor = 0, "wire.Place", 0.8, time.Second
	p.stallFirst = true
}

// aboutBehind: somebody who was removed reaches the others again, but no layout reaches it.
func aboutBehind(s *Simulation, p *profile, n *network) {
	p.calm(n, 6*time.Second, (*faults).leaveBehind)
	p.copies, p.shards, p.reads, p.stall = 2, 2+s.rng.IntN(2), 80, 0
}

// aboutTurns: primaries change while somebody asks them one after the other what their
// entries refer to.
func aboutTurns(s *Simulation, p *profile, n *network) {
	p.calm(n, 9*time.Second, (*faults).crash)
	p.copies, p.shards, p.keys, p.values, p.restart = 2, 3+s.rng.IntN(2), 24, 48, 4*time.Second
	p.clients, p.think, p.reads, p.deletes, p.length = 3, 500*time.Millisecond, 5, 10, 40*time.Second
	p.stall, p.stallAt, p.stallOften, p.stallFor = 0, "freeing", 1, 5*time.Second
	p.stallLate = true
}

// aboutAcks: acknowledgements arrive when the entry was ordered anew in another view.
func aboutAcks(s *Simulation, p *profile, n *network) {
	p.calm(n, 2*time.Second, (*faults).crash)
	p.copies, p.lags, p.stall = 2+s.rng.IntN(2), 0.3, 0
	p.shards = p.copies + s.rng.IntN(2)
	p.clients, p.think, p.reads, p.length = 4, 50*time.Millisecond, 20, 15*time.Second
}

// aboutPages: keys are deleted while an older page of entries is on its way to who copies them.
func aboutPages(s *Simulation, p *profile, n *network) {
	p.calm(n, 2*time.Second, (*faults).crash)
	p.copies, p.shards, p.keys = 2, 2+s.rng.IntN(2), 32
	p.clients, p.think, p.reads, p.deletes, p.length = 6, 50*time.Millisecond, 10, 50, 12*time.Second
	p.stall, p.stallAt, p.stallOften, p.stallFor = 0, "copying", 0.5, 500*time.Millisecond
}

// aboutPending: writes are under way for longer than a value stays that nothing refers to.
func aboutPending(_ *Simulation, p *profile, n *network) {
	p.calm(n, 10*time.Second, (*faults).crash)
	p.copies, p.shards, p.keys, p.values = 2, 2, 8, 24
	p.lags, p.lagFor, p.stall = 0.9, 4*time.Second, 0
	p.clients, p.think, p.reads, p.length = 2, 500*time.Millisecond, 20, 30*time.Second
}

// aboutOrders: primaries are slow over writes, whose values are about to be freed.
func aboutOrders(_ *Simulation, p *profile, n *network) {
	p.calm(n, 10*time.Second, (*faults).crash)
	p.copies, p.shards, p.keys, p.values = 2, 2, 8, 32
	p.clients, p.think, p.reads, p.length = 4, 300*time.Millisecond, 20, 30*time.Second
	p.stall, p.stallAt, p.stallOften, p.stallFor = 0, "simulation.order", 0.4, 8*time.Second
}

// aboutDoors: others cannot ask somebody anything who comes back and copies from them.
func aboutDoors(s *Simulation, p *profile, n *network) {
	p.calm(n, 6*time.Second, (*faults).shutDoor)
	p.copies, p.stall, p.length = 2+s.rng.IntN(2), 0, 30*time.Second
	p.shards = p.copies + s.rng.IntN(2)
}

// aboutLate: slots lose all that was placed in them, just before the primaries of the keys order
// the writes that brought it.
func aboutLate(_ *Simulation, p *profile, n *network) {
	p.calm(n, 2*time.Second, (*faults).losePart)
	p.copies, p.shards, p.restart, p.gentle = 2, 4, 200*time.Millisecond, false
	p.clients, p.think, p.keys, p.values, p.reads, p.length = 6, 100*time.Millisecond, 16, 60, 10, 12*time.Second
	p.stall, p.stallAt, p.stallOften, p.stallFor = 0, "simulation.order", 0.5, 2500*time.Millisecond
}
