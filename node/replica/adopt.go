package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// Adopt makes the machine follow a layout. They must come in the order of their epochs,
// one at a time. A slot whose view is unchanged goes on undisturbed.
func (m *Machine) Adopt(t *layout.Table, now time.Duration) Effects {
	var fx Effects
	// First, so that nothing is granted to older primaries from here on (F9, F10).
	m.leases.adopt(t)
	m.losses.adopt(t)
	for i := range m.slots {
		s, o := &m.slots[i], t.Owners(uint8(i))
		s.mu.Lock()
		if s.view != o.View {
			m.leave(s, o, now)
			m.enter(s, o)
		} else {
			m.refresh(s, o)
		}
		s.mu.Unlock()
	}
	m.losses.adopted(t)
	for i := range m.slots {
		s := &m.slots[i]
		s.mu.Lock()
		m.ask(s, now, &fx)
		m.progress(s, now, &fx)
		s.mu.Unlock()
	}
	return fx
}

func (m *Machine) is(member *layout.Member) bool {
	return member != nil && member.Incarnation == m.opt.Self
}

// leave ends a view. What this node had under way as its primary stays under way if it is
// the next one too, and else is handed over. The slot still has the old owners.
func (m *Machine) leave(s *slot, o *layout.Owners, now time.Duration) {
	// Until the next view is entered, nobody may take the slot for one that another node
	// answers for: who asks about all slots would miss it (F27).
	s.standing.Store(&standing{view: o.View, mine: true})
	s.waking = nil
	wasPrimary := m.is(s.primary)
	if s.primary != nil && !wasPrimary && !slices.Contains(s.earlier, s.primary.Incarnation) {
		s.earlier = append(s.earlier, s.primary.Incarnation)
	}
	if wasPrimary && !m.is(o.Primary) {
		m.handOver(s)
	}
	if o.Loss > s.loss {
		s.loss = o.Loss
		// A primary that was removed without being proven dead may hold leases from those who
		// died since: nobody is left who knows of them.
		s.begins = now + m.granted()
		m.empty(s)
	}
	if !slices.ContainsFunc(o.Ack, m.is) {
		for i := range s.backup.unsettled {
			s.backup.unsettled[i].op.fail(errRemoved)
		}
		// Who is about to join has not been an owner: what it has copied stays.
		s.backup, s.copying, s.earlier = backup{}, copying{copied: s.copying.copied && !s.owner}, nil
	}
}

var errRemoved = fmt.Errorf("%w: the write was ordered, then this node lost the slot", kv.ErrUnknown)

// empty forgets all entries of a slot that was given up.
func (m *Machine) empty(s *slot) {
	for i := range s.backup.unsettled {
		s.backup.unsettled[i].op.fail(errRemoved)
	}
	s.backup.unsettled = nil
	m.opt.Entries.Clear(s.n)
}

// enter begins a view.
func (m *Machine) enter(s *slot, o *layout.Owners) {
	s.view = o.View
	s.order.view, s.order.last = o.View, 0
	s.backup.watermark = 0
	m.refresh(s, o)
	if !m.is(s.primary) {
		s.standing.Store(&standing{view: s.view})
		return
	}
	if s.primary.JoinEpoch == s.view && o.Loss == 0 {
		// The cluster is founded with this view: nothing was before it.
		s.standing.Store(&standing{view: s.view, mine: true, active: true, leases: m.leases.of(s.others)})
		return
	}
	s.waking = newWaking(s.others)
	s.standing.Store(&standing{view: s.view, mine: true, leases: m.leases.of(s.others)})
	m.losses.again() // now that nobody can take the slot for one of which all entries are known
}

// refresh takes over what a layout says of the members of a view.
func (m *Machine) refresh(s *slot, o *layout.Owners) {
	s.primary, s.owner, s.others = o.Primary, false, s.others[:0:0]
	for _, member := range o.Ack {
		if !m.is(member) {
			s.others = append(s.others, member)
			continue
		}
		s.owner = true
		if member.Phase != layout.Attached {
			m.finish(s) // the author knows
		}
	}
}

// handOver makes what is under way unsettled, as it is at a backup: the next primary
// gathers it. Who waits for it goes on waiting. What was not ordered yet is refused.
func (m *Machine) handOver(s *slot) {
	for _, op := range s.order.inOrder() {
		m.opt.Entries.Apply(s.n, &op.entry)
		s.backup.unsettled = append(s.backup.unsettled, settling{
			key: op.entry.Key, version: op.entry.Version, deleted: op.entry.Deleted, origin: op.origin, id: op.id, op: op,
		})
		m.busy.add(op.uid(), s.n, -1)
	}
	for _, key := range s.order.parkedKeys() {
		for _, op := range s.order.parked[key] {
			m.refuseOp(op, kv.Refuse(kv.Moved, "slot %d has another primary now", s.n))
		}
	}
	s.order.pending, s.order.parked = nil, nil
}

// uid is the value that an operation brings; zero for deletes.
func (op *Op) uid() uid.UID { return op.entry.UID }
