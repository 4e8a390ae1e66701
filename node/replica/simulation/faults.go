package simulation

import (
	"time"

	"github.com/eiri/seppen/api/layout"
)

// profile is what a seed is about: some have many crashes, some a bad network.
type profile struct {
	shards, copies int
	clients        int
	keys, values   int
	think          time.Duration
	reads, deletes int // of a hundred requests
	length         time.Duration

	storage                  time.Duration
	storageFails, halfPushes float64

	every      time.Duration // about so often something goes wrong
	crash      int           // weights of what goes wrong
	pause      int
	cut        int
	authors    int
	slow       int
	stall      float64 // how probably a goroutine is stalled where it may be
	afterAdopt float64 // how probably something goes wrong after a layout was adopted
	restart    time.Duration
	neverProof float64
	lateProof  float64
	gentle     bool // nobody dies while somebody else is not well, so nothing is ever lost

	wishes  time.Duration // about so often there is another wish
	disturb float64       // how probably something goes wrong after a layout was written
	linger  time.Duration // at most so long a process goes on that was told to stop
	grace   time.Duration // it has to end
	waits   time.Duration // at most so long it waits to be let go

	hazards
}

func (s *Simulation) choose() {
	rng := s.rng
	one := func(of ...float64) float64 { return pick(rng, of) }
	p := &s.profile
	p.copies = pick(rng, []int{1, 2, 2, 2, 2, 3, 3})
	p.shards = p.copies + rng.IntN(2)
	if p.shards == 1 {
		p.shards = 2
	}
	p.keys, p.values = 2+rng.IntN(3), 2+rng.IntN(4)
	p.clients, p.reads, p.deletes = 1+rng.IntN(4), 10+rng.IntN(40), 10+rng.IntN(30)
	p.think = pick(rng, []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond})
	p.length = time.Duration(5+rng.IntN(15)) * time.Second
	p.storage = pick(rng, []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond})
	p.storageFails, p.halfPushes = one(0, 0, 0.02, 0.2), one(0, 0.3, 0.7)
	p.every = pick(rng, []time.Duration{500 * time.Millisecond, time.Second, 3 * time.Second})
	p.crash, p.pause, p.cut, p.authors, p.slow = rng.IntN(4), rng.IntN(4), rng.IntN(4), rng.IntN(3), rng.IntN(2)
	p.stall, p.afterAdopt = one(0, 0.01, 0.05, 0.2), one(0, 0.05, 0.3)
	p.restart = pick(rng, []time.Duration{100 * time.Millisecond, 2 * time.Second, 8 * time.Second})
	p.neverProof, p.lateProof = one(0, 0.3, 1), one(0, 0.5)
	p.gentle, p.look = rng.IntN(3) > 0, lookEvery
	s.network = network{
		loss: one(0, 0, 0.01, 0.05), twice: one(0, 0.02, 0.2), late: one(0, 0.005, 0.03, 0.15),
		usual:  pick(rng, []time.Duration{500 * time.Microsecond, 3 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}),
		latest: pick(rng, []time.Duration{200 * time.Millisecond, time.Second, 3 * time.Second, 12 * time.Second}),
	}
	s.flavour()
}

// faults makes things go wrong.
type faults struct {
	sim      *Simulation
	over     bool
	until    time.Duration         // messages are late, or goroutines stalled, until then
	held     map[int]time.Duration // newer layouts reach a host only then
	stranded layout.ID             // once it is no member any more, the other owners of its slots die
}

func (f *faults) start() {
	s := f.sim
	if s.kind == Calm {
		return
	}
	s.at(s.now+2*s.some(s.profile.every)+time.Millisecond, nil, func() {
		if !f.over {
			f.strike(pick(s.rng, s.hosts))
			f.start()
		}
	})
}

// strike does one thing to a host, or to the author.
func (f *faults) strike(h *host) {
	s, p := f.sim, &f.sim.profile
	if p.hazard != nil {
		p.hazard(f, h)
		return
	}
	n := s.rng.IntN(p.crash + p.pause + p.cut + p.authors + p.slow + 1)
	switch {
	case n < p.crash:
		f.crash(h)
	case n < p.crash+p.pause:
		if h.proc != nil {
			h.proc.pause(s.some(7 * time.Second))
		}
	case n < p.crash+p.pause+p.cut && s.rng.IntN(4) == 0:
		f.shutOut(h, s.some(16*time.Second))
	case n < p.crash+p.pause+p.cut:
		f.cut(h.number)
	case n < p.crash+p.pause+p.cut+p.authors:
		f.author()
	case h.proc != nil:
		h.proc.slow = s.some(150 * time.Millisecond)
	}
}

// crash ends a process. Its parent knows at once, or the author learns late, or never.
func (f *faults) crash(h *host) {
	s, p := f.sim, h.proc
	if p == nil || s.profile.gentle && f.needed(p) {
		return
	}
	s.count("crashes")
	f.kill(p)
	if h.stopping {
		s.stopped(h)
		return
	}
	s.at(s.now+s.some(s.profile.restart), nil, func() { h.begin(s) })
}

// kill ends a process at once.
func (f *faults) kill(p *process) {
	p.killed = true
	p.die()
	f.prove(p)
}

// prove decides when the author can know that a process has ended.
func (f *faults) prove(p *process) {
	s := f.sim
	switch {
	case s.network.quiet:
		p.proof = s.now + s.some(20*time.Millisecond)
	case s.rng.Float64() < s.profile.neverProof:
	case s.rng.Float64() < s.profile.lateProof:
		p.proof = s.now + s.some(10*time.Second)
	default:
		p.proof = s.now + s.some(20*time.Millisecond)
	}
}

// needed tells whether a process is the only live one that has everything of some slot.
func (f *faults) needed(p *process) bool {
	t := f.sim.durable.newest()
	for i := range t.Layout.Segments {
		others, mine := 0, false
		for _, m := range everything(t.Owners(t.Layout.Segments[i].Lo)) {
			if o := f.sim.process(m.Incarnation); o == p {
				mine = true
			} else if !o.dead {
				others++
			}
		}
		if mine && others == 0 {
			return true
		}
	}
	return false
}

// cut lets no message through between two places, in one direction or in both.
func (f *faults) cut(a int) {
	s := f.sim
	places := []int{authorPlace}
	for _, h := range s.hosts {
		if h.number != a {
			places = append(places, h.number)
		}
	}
	until := s.now + s.some(8*time.Second)
	several := s.rng.IntN(3) == 0
	ways := s.rng.IntN(3)
	b := pick(s.rng, places)
	for _, o := range places {
		if o != b && !several {
			continue
		}
		if ways != 1 {
			s.network.cut[way{a, o}] = until
		}
		if ways != 2 {
			s.network.cut[way{o, a}] = until
		}
	}
	s.trace(nil, "host %d is cut off (%d, all: %v) until %v", a, ways, several, until)
}

// author kills one, starts another one beside it, or stops it for a while.
func (f *faults) author() {
	s := f.sim
	switch n := s.rng.IntN(3); {
	case len(s.authors) == 0, n == 0 && len(s.authors) < 2:
		s.startAuthor()
	case n == 1:
		pick(s.rng, s.authors).stopped = s.now + s.some(5*time.Second)
	default:
		pick(s.rng, s.authors).die()
		s.at(s.now+s.some(5*time.Second), nil, func() {
			if len(s.authors) == 0 {
				s.startAuthor()
			}
		})
	}
}

// adopted is told of every layout that a process adopts: much goes wrong just then.
func (f *faults) adopted(p *process) {
	s := f.sim
	if f.over || s.rng.Float64() >= s.profile.afterAdopt {
		return
	}
	s.at(s.now+s.some(100*time.Millisecond), nil, func() {
		if !f.over && p.host.proc == p {
			f.strike(p.host)
		}
	})
}

// stalls tells for how long a goroutine of a process is stalled; most are not.
func (f *faults) stalls(p *process) time.Duration {
	s := f.sim
	if d := f.stallsAt(s.running); d > 0 {
		return d
	}
	if f.over || s.rng.Float64() >= s.profile.stall {
		return 0
	}
	d := s.some(30 * time.Millisecond)
	switch s.rng.IntN(20) {
	case 0:
		p.pause(s.some(6 * time.Second))
		return time.Microsecond
	case 1, 2, 3:
		d = s.some(pick(s.rng, []time.Duration{6 * time.Second, 14 * time.Second}))
	}
	f.until = max(f.until, s.now+d)
	return d
}

// heal ends all that is wrong. What died is proven dead, and runs again.
func (f *faults) heal() {
	s := f.sim
	f.over = true
	s.trace(nil, "everything is healed")
	s.network.quiet = true
	s.network.usual = time.Millisecond
	clear(s.network.cut)
	clear(s.network.shut)
	for _, h := range s.hosts {
		if h.proc != nil {
			h.proc.resume()
			h.proc.slow = 0
		} else {
			h.begin(s)
		}
		for _, p := range h.all {
			if p.dead {
				p.proof = s.now
			}
		}
	}
	for len(s.authors) > 1 {
		s.authors[0].die()
	}
	if len(s.authors) == 0 {
		s.startAuthor()
	}
	s.authors[0].stopped = 0
}
