package simulation

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// chooseChanges decides what seeds with changing wishes are about.
func (s *Simulation) chooseChanges() {
	if s.kind == Still {
		return
	}
	rng, p := s.rng, &s.profile
	one := func(of ...time.Duration) time.Duration { return pick(rng, of) }
	p.copies, p.shards = 1+rng.IntN(3), 1+rng.IntN(5)
	p.length = time.Duration(15+rng.IntN(25)) * time.Second
	p.wishes = one(700*time.Millisecond, 2*time.Second, 5*time.Second, 10*time.Second)
	p.every = one(700*time.Millisecond, 2*time.Second, 6*time.Second)
	p.linger, p.grace, p.waits = one(0, 500*time.Millisecond, 2*time.Second), 30*time.Second, 20*time.Second
	p.disturb = pick(rng, []float64{0.1, 0.3, 0.6})
	p.think = max(p.think, 50*time.Millisecond)
	if s.kind == Calm {
		s.chooseCalm(rng)
	}
}

// chooseCalm lets nothing go wrong: messages take a few milliseconds, and all arrive.
func (s *Simulation) chooseCalm(rng *rand.Rand) {
	p := &s.profile
	p.crash, p.pause, p.cut, p.authors, p.slow, p.stall, p.afterAdopt = 0, 0, 0, 0, 0, 0, 0
	p.disturb = pick(rng, []float64{0, 0.1})
	p.storage, p.storageFails, p.halfPushes = 20*time.Millisecond, 0, 0
	p.restart = pick(rng, []time.Duration{100 * time.Millisecond, 2 * time.Second})
	p.linger, p.grace, p.waits = 2*time.Second, 10*time.Minute, 9*time.Minute
	p.gentle = true
	s.network = network{usual: time.Millisecond, most: 5 * time.Millisecond}
}

// wrote is told of every layout that was written: much goes wrong just then.
func (f *faults) wrote(l *layout.Layout) {
	s := f.sim
	if s.kind == Still || f.over || s.rng.Float64() >= s.profile.disturb {
		return
	}
	// While somebody leaves all is decided: that does not take long.
	soon := 400 * time.Millisecond
	i := slices.IndexFunc(l.Members, func(m layout.Member) bool { return m.Phase == layout.Leaving })
	if i >= 0 {
		soon = 150 * time.Millisecond
	}
	s.at(s.now+s.some(soon), nil, func() {
		switch n := s.rng.IntN(3); {
		case f.over:
		case i >= 0 && (n == 0 || s.kind == Calm):
			s.wishes.keep(s.hostOf(&l.Members[i]))
		case s.kind == Calm:
			s.wishes.turnBack()
		case i >= 0 && n == 1:
			f.strike(f.heir(&l.Members[i]))
		default:
			f.disturb()
		}
	})
}

// heir is the host of a primary that takes a slot over from a member that leaves.
func (f *faults) heir(m *layout.Member) *host {
	s := f.sim
	t := s.durable.newest()
	for _, slot := range s.slots {
		if o := t.Owners(slot); has(o.Ack, m) && o.Primary != nil {
			return s.hostOf(o.Primary)
		}
	}
	return s.hostOf(m)
}

// disturb lets something go wrong in the middle of a change: with those who come or go, with
// the author, or with the wish.
func (f *faults) disturb() {
	s := f.sim
	switch n := s.rng.IntN(10); {
	case n < 2:
		f.author()
	case n < 4:
		s.wishes.turnBack()
	case n < 5:
		s.stopSome()
	default:
		f.strike(f.victim())
	}
}

// victim is the host of a member that comes or goes, or any.
func (f *faults) victim() *host {
	s := f.sim
	var hosts []*host
	l := s.durable.current().layout
	for i := range l.Members {
		if l.Members[i].Phase != layout.Serving {
			hosts = append(hosts, s.hostOf(&l.Members[i]))
		}
	}
	if len(hosts) == 0 || s.rng.IntN(3) == 0 {
		return pick(s.rng, s.hosts)
	}
	return pick(s.rng, hosts)
}
