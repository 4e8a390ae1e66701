package simulation

import (
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

// check looks at what must hold after every step.
func (s *Simulation) check(p *process) {
	if p != nil && !p.dead {
		s.onePrimary(p)
	}
	if s.truth.changed {
		s.truth.changed = false
		s.nothingLost()
	}
}

// onePrimary checks that of each slot at most one node could answer at this moment (I1).
// Only the process that did something can have become one.
func (s *Simulation) onePrimary(p *process) {
	now := p.clock()
	for i, n := range s.slots {
		st := p.machine.State(n, now)
		if st.Active != p.active[i] {
			p.active[i] = st.Active
			s.truth.changed = true
			s.away(i, st.Active)
			if st.Active && p.retired {
				s.violated("%s is retired, and active in slot %d", idName(p.id), n)
			}
			if st.Active {
				s.truth.begun(n, st.View)
				s.truth.planned.served[view{n, st.View}] = true
				s.trace(p, "is active in slot %d, view %d", n, st.View)
			}
		}
		if !st.Leased {
			continue
		}
		for _, h := range s.hosts {
			o := h.proc
			if o == nil || o == p || !o.active[i] {
				continue
			}
			if other := o.machine.State(n, o.clock()); other.Leased {
				s.violated("slot %d has two primaries that may answer: %s in view %d and %s in view %d (I1)",
					n, idName(p.id), st.View, idName(o.id), other.View)
			}
		}
	}
}

// nothingLost checks that all who must have everything have it.
func (s *Simulation) nothingLost() {
	t := s.durable.newest()
	if t == nil {
		return
	}
	for i := range s.keys {
		k := s.truth.keys[s.keys[i].name]
		o := t.Owners(k.slot)
		for _, m := range everything(o) {
			if p := s.process(m.Incarnation); !p.dead {
				s.hasEntry(p, k)
			}
		}
		if o.Primary != nil {
			s.hasCommitted(t, k, s.process(o.Primary.Incarnation), o)
		}
	}
}

// hasEntry checks that an owner has what was acknowledged, or something newer (I2).
func (s *Simulation) hasEntry(p *process, k *known) {
	if k.acked.Key != "" {
		s.hasEntryOr(p, k, &k.acked, "which was acknowledged")
	}
}

// hasEntryOr checks that an owner has an entry, or something newer.
func (s *Simulation) hasEntryOr(p *process, k *known, want *kv.Entry, which string) {
	e, ok := p.mem.Store.Entry(k.slot, k.name)
	switch {
	case ok && e.Version.Compare(want.Version) >= 0:
	case !ok && (want.Deleted || k.deleted.Compare(want.Version) > 0):
	case !ok:
		s.violated("%s does not have %s, %s (I2)", idName(p.id), describe(want), which)
	default:
		s.violated("%s has %s, but not %s, %s (I2)", idName(p.id), describe(&e), describe(want), which)
	}
}

// hasCommitted checks that every owner has what an active primary has, and its value: all
// of that is committed.
func (s *Simulation) hasCommitted(t *layout.Table, k *known, primary *process, o *layout.Owners) {
	if primary.dead {
		return
	}
	st := primary.machine.State(k.slot, primary.clock())
	if !st.Active || st.View != o.View {
		return
	}
	e, ok := primary.mem.Store.Entry(k.slot, k.name)
	if !ok || e.Deleted {
		return
	}
	for _, m := range everything(o) {
		if p := s.process(m.Incarnation); !p.dead {
			s.hasEntryOr(p, k, &e, "which is committed")
		}
	}
	values := t.Owners(e.UID.Slot())
	if values.Loss != 0 {
		return
	}
	for _, m := range everything(values) {
		if p := s.process(m.Incarnation); !p.dead && !p.mem.Has(e.UID) {
			s.violated("%s does not have the value of %s (I3, I5)", idName(p.id), describe(&e))
		}
	}
}

// mayAnswer checks that a process that has just answered by what is committed in slots was
// their active primary at that moment, with all leases (I1).
func (s *Simulation) mayAnswer(p *process, slots ...uint8) {
	for _, n := range slots {
		if st := p.machine.State(n, p.clock()); !st.Leased {
			s.violated("%s answered for slot %d: active %v, leased %v (I1)", idName(p.id), n, st.Active, st.Leased)
		}
	}
}

// committed checks that every owner has what was read, unless the slot was given up since
// the reader's view: those who begin it wait until nobody reads there any more.
func (s *Simulation) committed(reader *process, slot uint8, e *kv.Entry) {
	o := s.durable.newest().Owners(slot)
	if o.Loss > reader.machine.State(slot, reader.clock()).View {
		return
	}
	for _, m := range everything(o) {
		if p := s.process(m.Incarnation); !p.dead {
			s.hasEntryOr(p, s.truth.keys[e.Key], e, "which was read")
		}
	}
}
