package simulation

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/placement"
)

// Ways may be shut for requests while answers to requests of the other direction come through: a
// policy lets connections be made one way only.

// shut is since when and until when no connection can be made.
type shut struct{ since, until time.Duration }

// isShut tells whether a place cannot ask another one anything, and since when.
func (s *Simulation) isShut(from, to int) (since time.Duration, is bool) {
	c := s.network.shut[way{from, to}]
	return c.since, c.until > s.now
}

// shutOut keeps another host, or all others, from asking a host anything. It can ask them.
func (f *faults) shutOut(h *host, d time.Duration) {
	s := f.sim
	all := s.rng.IntN(2) == 0
	only := pick(s.rng, s.hosts)
	for _, o := range s.hosts {
		if o == h || !all && o != only {
			continue
		}
		since := s.now
		if at, is := s.isShut(o.number, h.number); is {
			since = at
		}
		s.network.shut[way{o.number, h.number}] = shut{since, s.now + d}
	}
	s.trace(nil, "host %d is asked by nobody (all: %v, else host %d) for %v", h.number, all, only.number, d)
}

// shutDoor shuts a host out while its process begins anew and comes back.
func (f *faults) shutDoor(h *host) {
	f.shutOut(h, 8*time.Second+f.sim.some(12*time.Second))
	f.crash(h)
}

// attached checks that whoever becomes an owner can be reached by the primaries of its slots: if
// not, those would be out until it is removed, and again when it comes back.
func (f *truth) attached(before, after *layout.Table, by *decision) {
	for i := range after.Layout.Members {
		m := &after.Layout.Members[i]
		was := before.Member(m.Incarnation)
		switch {
		case was == nil:
			f.joined[m.Incarnation] = f.sim.now
			if f.shutFrom(m, before, by) != nil {
				f.sim.count("joins and is not reached")
			}
		case was.Phase == layout.Joining && m.Phase == layout.Attached:
			if p := f.shutFrom(m, before, by); p != nil {
				f.sim.violated("layout %d: %s is attached, and since it joined it could not be reached by %s, a primary of its slots",
					after.Layout.Epoch, idName(m.Incarnation), idName(p.id))
			}
		}
	}
}

// shutFrom is a primary of a member's slots that could ask it nothing ever since it joined, but for
// those who are dead or do not answer the author; nil if there is none.
func (f *truth) shutFrom(m *layout.Member, before *layout.Table, by *decision) *process {
	s := f.sim
	for n := range layout.Slots {
		slot := uint8(n)
		primary := before.Owners(slot).Primary
		if primary == nil || !m.Name.Range.Contains(slot) {
			continue
		}
		p, said := s.process(primary.Incarnation), by.author.seen[primary.Incarnation]
		if p.dead || said != nil && by.at-said.heard >= placement.WordAfter {
			continue
		}
		if since, is := s.isShut(p.host.number, s.hostOf(m).number); is && since <= f.joined[m.Incarnation] {
			return p
		}
	}
	return nil
}
