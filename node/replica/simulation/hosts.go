package simulation

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// host is a place where the processes of one name run, one after the other. It is made
// for a node that there is to be, and taken away when there is to be none.
type host struct {
	number   int
	name     layout.Name
	machine  int
	revision int      // of the template that it was made from
	proc     *process // nil: none runs
	lives    int
	all      []*process

	stopping bool          // its process was told to stop
	deadline time.Duration // and is killed then
	dropped  bool          // there is to be none
}

// addHost makes a host for a node.
func (s *Simulation) addHost(name layout.Name) *host {
	h := &host{number: len(s.made), name: name}
	s.made = append(s.made, h)
	s.hosts = append(s.hosts, h)
	s.template(h)
	return h
}

// template gives a host what is new today, and a machine that is not being emptied.
func (s *Simulation) template(h *host) {
	h.revision = s.wishes.now.revision
	if s.kind == Still {
		return
	}
	h.machine = s.rng.IntN(machines)
	if h.machine == s.wishes.now.drained {
		h.machine = (h.machine + 1) % machines
	}
}

// hostNamed is a node's host, nil if there is none.
func (s *Simulation) hostNamed(name layout.Name) *host {
	i := slices.IndexFunc(s.hosts, func(h *host) bool { return h.name == name && !h.dropped })
	if i < 0 {
		return nil
	}
	return s.hosts[i]
}

// begin starts a process, unless the template is broken or one runs.
func (h *host) begin(s *Simulation) {
	if h.proc == nil && !h.dropped && !h.stopping && !s.wishes.broken[h.revision] {
		s.start(h)
	}
}

// stop tells a host's process to stop. After a time it is killed.
func (s *Simulation) stop(h *host, grace time.Duration) {
	if h.stopping {
		return
	}
	h.stopping, h.deadline = true, s.now+grace
	p := h.proc
	if p == nil {
		s.stopped(h)
		return
	}
	s.trace(p, "is told to stop within %v", grace)
	p.waits = s.now + s.profile.waits
	s.at(s.now, p, func() { p.leave(s.now + s.some(s.profile.linger)) })
	s.at(h.deadline, nil, func() { s.deadlineOf(p) })
}

// deadlineOf kills a process whose time is over.
func (s *Simulation) deadlineOf(p *process) {
	h := p.host
	if p.dead || !h.stopping {
		return
	}
	if s.profile.gentle && s.faults.needed(p) {
		h.deadline = s.now + time.Second
		s.at(h.deadline, nil, func() { s.deadlineOf(p) })
		return
	}
	s.count("killed at their deadline")
	s.trace(p, "is killed, its time is over")
	s.faults.kill(p)
	s.stopped(h)
}

// stopped follows the end of a process that was told to stop: there is no such host any
// more, or it is made anew.
func (s *Simulation) stopped(h *host) {
	if h.dropped {
		s.trace(nil, "host %d is no more", h.number)
		s.hosts = slices.DeleteFunc(s.hosts, func(o *host) bool { return o == h })
		return
	}
	s.at(s.now+s.some(s.profile.restart), nil, func() {
		h.stopping = false
		if h.dropped {
			s.stopped(h)
			return
		}
		s.template(h)
		h.begin(s)
	})
}

// drop takes a host away, once its process has ended.
func (s *Simulation) drop(h *host) {
	if h.dropped {
		return
	}
	h.dropped = true
	s.trace(nil, "host %d is to go", h.number)
	s.stop(h, s.profile.grace)
}

// stopSome has one process stop, or all of one machine: sometimes they have not enough time.
func (s *Simulation) stopSome() {
	h := pick(s.rng, s.hosts)
	grace := s.profile.grace
	if s.kind != Calm && s.rng.IntN(3) == 0 {
		grace = s.some(15 * time.Second)
		s.count("short deadlines")
	}
	s.count("stops")
	s.stop(h, grace)
}

// leave is what a process does that was told to stop: it goes on with all its duties until
// others have taken over or it has waited for long enough, and then until nobody finds its address
// any more.
func (p *process) leave(lingers time.Duration) {
	p.ending = true
	if p.isNeeded() && !p.gaveUp && p.sim.now >= p.waits {
		lingers = p.giveUp(lingers)
	}
	if p.isNeeded() && !p.gaveUp || p.sim.now < lingers || len(p.requests) > 0 {
		p.sim.at(p.sim.now+20*time.Millisecond, p, func() { p.leave(lingers) })
		return
	}
	p.sim.letGo(p)
	p.sim.trace(p, "ends")
	p.die()
	p.sim.faults.prove(p)
	p.sim.stopped(p.host)
}

// giveUp has a process wait no longer to be let go, and returns until when it lingers now.
func (p *process) giveUp(lingers time.Duration) time.Duration {
	s := p.sim
	if s.profile.gentle && s.faults.needed(p) {
		p.waits = s.now + time.Second
		return lingers
	}
	s.count("not let go in time")
	s.trace(p, "waits no longer to be let go")
	p.gaveUp, p.killed = true, true // to all others its end is like that
	return s.now + s.profile.linger
}

// isNeeded tells whether the newest layout that a process has counts on it.
func (p *process) isNeeded() bool { return p.phase() != 0 && p.phase() != layout.Joining }
