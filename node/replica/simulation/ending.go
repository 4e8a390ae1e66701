package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/node/kv"
)

const (
	// healedWithin is how long it may take after all is healed until all serve again, and
	// wishedWithin how much longer if other nodes are wished for.
	healedWithin, wishedWithin = 40 * time.Second, 80 * time.Second
	// stays is for how long all must be well: an author may be about to write.
	stays = 2 * time.Second
	// freedWithin is how long values may stay after their last key went.
	freedWithin = 60 * time.Second
)

// end heals everything and checks that all becomes well.
func (s *Simulation) end() {
	s.wishes.settle()
	s.faults.heal()
	s.runUntil(max(s.now, s.faults.until))
	healed := s.now
	well := healed
	s.until(s.wellWithin(), func() string {
		why := s.unwell()
		if why != "" {
			well = s.now
		} else if s.now-well < stays {
			why = "all was well, but not for long"
		}
		return why
	})
	s.longest("until all was well", well-healed)
	s.idle = true
	s.writeAll()
	quiet := s.now
	s.until(freedWithin, s.untidy)
	s.longest("until all was freed", s.now-quiet)
	s.readAll()
	s.checkHistory()
}

func (s *Simulation) wellWithin() time.Duration {
	if s.kind == Still {
		return healedWithin
	}
	return healedWithin + wishedWithin
}

// until runs until nothing is left to complain of.
func (s *Simulation) until(limit time.Duration, complaint func() string) {
	deadline := s.now + limit
	for {
		why := complaint()
		if why == "" {
			return
		}
		if s.now > deadline {
			for _, a := range s.authors {
				why += "; the author says: " + a.why
			}
			s.violated("%v after all was healed: %s", limit, why)
		}
		s.runUntil(s.now + 100*time.Millisecond)
	}
}

// unwell says what is not as it should be.
func (s *Simulation) unwell() string {
	t := s.durable.newest()
	if t == nil {
		return "there is no layout"
	}
	l := t.Layout
	if why := s.unwished(); why != "" {
		return why
	}
	for _, h := range s.hosts {
		switch p := h.proc; {
		case p == nil:
			return fmt.Sprintf("nobody runs at host %d", h.number)
		case p.epoch() != l.Epoch:
			return fmt.Sprintf("%s has layout %d", idName(p.id), p.epoch())
		case p.phase() != layout.Serving:
			return fmt.Sprintf("%s is %s", idName(p.id), p.phase())
		}
	}
	preferred := layout.SegmentsOf(l.Members, l.Epoch)
	for n := range layout.Slots {
		o := t.Owners(uint8(n))
		if o.Primary == nil {
			return fmt.Sprintf("slot %d has no primary", n)
		}
		p := s.process(o.Primary.Incarnation)
		if st := p.machine.State(uint8(n), p.clock()); !st.Leased || len(o.Serving) != s.wishes.now.copies {
			return fmt.Sprintf("slot %d: active %v, leased %v, %d owners", n, st.Active, st.Leased, len(o.Serving))
		}
		if o.Loss != 0 {
			return fmt.Sprintf("slot %d is still marked as lost", n)
		}
		if primaryIn(l, preferred, uint8(n)) != o.Primary.Incarnation {
			return fmt.Sprintf("slot %d has not the primary that it should have", n)
		}
	}
	return ""
}

// unwished says which nodes are not as they were wished for.
func (s *Simulation) unwished() string {
	r, w := s.durable.current(), &s.wishes.now
	have, want := membership.Shape(r.names), w.shape()
	slices.SortFunc(want, func(a, b layout.Range) int { return cmp.Or(cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi)) })
	switch {
	case !slices.Equal(have, want):
		return fmt.Sprintf("there are %v and not %v", r.names, want)
	case len(r.layout.Members) != len(r.names):
		return fmt.Sprintf("layout %d has %d members", r.layout.Epoch, len(r.layout.Members))
	case len(s.hosts) != len(r.names):
		return fmt.Sprintf("there are %d hosts", len(s.hosts))
	}
	for _, h := range s.hosts {
		switch {
		case h.stopping:
			return fmt.Sprintf("host %d is being stopped", h.number)
		case h.revision != w.revision:
			return fmt.Sprintf("host %d is of template %d", h.number, h.revision)
		case s.kind != Still && h.machine == w.drained:
			return fmt.Sprintf("host %d is at machine %d, which is to be empty", h.number, w.drained)
		}
	}
	return ""
}

func primaryIn(l *layout.Layout, segments []layout.Segment, n uint8) layout.ID {
	i := len(segments) - 1
	for segments[i].Lo > n {
		i--
	}
	return l.Members[segments[i].Order[0]].Incarnation
}

// writeAll writes every key at once: now that must succeed.
func (s *Simulation) writeAll() {
	s.until(10*time.Second, func() string {
		for _, h := range s.hosts {
			if n := len(h.proc.requests); n > 0 {
				return fmt.Sprintf("%d requests are still under way at %s", n, idName(h.proc.id))
			}
		}
		return ""
	})
	if why := s.unwell(); why != "" {
		s.violated("all was well, but no more: %s", why)
	}
	left := 0
	for i, k := range s.keys {
		p := s.hosts[i%len(s.hosts)].proc
		for _, in := range []input{{kind: putKind, uid: s.values[i%len(s.values)]}, {kind: getKind}} {
			left++
			s.request(p, k, in, func(out output, err error) {
				left--
				if err != nil && out.kind != notFoundKind {
					s.violated("all is well, but %s %v: %v", k.name, in, err)
				}
			})
		}
	}
	s.until(10*time.Second, func() string {
		if left == 0 {
			return ""
		}
		return fmt.Sprintf("%d requests are still under way", left)
	})
}

// untidy says which owners do not have the same, or something that nobody needs.
func (s *Simulation) untidy() string {
	t := s.durable.newest()
	needed := make(map[uid.UID]bool)
	for _, n := range s.slots {
		var first []kv.Entry
		for i, m := range t.Owners(n).Serving {
			all := s.process(m.Incarnation).mem.entries(n)
			if i == 0 {
				first = all
			}
			for j := range all {
				needed[all[j].UID] = true
				if all[j].Deleted {
					return fmt.Sprintf("%s keeps a tombstone: %s", idName(m.Incarnation), describe(&all[j]))
				}
			}
			if !slices.EqualFunc(first, all, func(a, b kv.Entry) bool { return a == b }) {
				return fmt.Sprintf("the owners of slot %d have different entries", n)
			}
		}
	}
	for _, n := range s.slots {
		for _, m := range t.Owners(n).Serving {
			p := s.process(m.Incarnation)
			got := p.mem.UIDs(n, uid.UID{}, 100)
			for _, u := range got {
				if !needed[u] {
					return fmt.Sprintf("%s keeps %s, which no key refers to", idName(p.id), valueName(u))
				}
			}
		}
	}
	return ""
}

// readAll reads every key at every node: the history ends with it.
func (s *Simulation) readAll() {
	left := 0
	for _, h := range s.hosts {
		for _, k := range s.keys {
			left++
			s.request(h.proc, k, input{kind: getKind}, func(out output, err error) {
				left--
				if err != nil && out.kind != notFoundKind {
					s.violated("all is well, but %s cannot be read: %v", k.name, err)
				}
			})
		}
	}
	s.until(10*time.Second, func() string {
		if left == 0 {
			return ""
		}
		return "reads are still under way"
	})
}
