package replica

import (
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// Accept stores an entry that a primary has ordered. kv.ErrUnavailable if the sender
// is not the primary of the slot in the view that both know.
func (r *Replica) Accept(from layout.ID, m *wire.Replicate) error {
	s := &r.slots[m.Slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.obeys(m.Slot, from, m.Entry.Version.View); err != nil {
		return err
	}
	r.forget(m.Slot, s.backup.advance(m.Watermark))
	if s.backup.accept(&m.Entry) {
		r.opt.Entries.Apply(m.Slot, &m.Entry)
	}
	return nil
}

func (s *slot) obeys(n uint8, from layout.ID, view uint64) error {
	switch {
	case !s.owner:
		return kv.Unavailable("not an owner of slot %d", n)
	case s.primary == nil || s.primary.Incarnation != from:
		return kv.Unavailable("the sender is not the primary of slot %d", n)
	case s.view != view:
		return kv.Unavailable("slot %d is in view %d, not %d", n, s.view, view)
	}
	return nil
}

func (r *Replica) forget(n uint8, tombstones []settling) {
	for _, t := range tombstones {
		r.opt.Entries.Forget(n, t.key, t.version)
	}
}

// Settle takes in watermarks from a primary. Those of slots or views that are not its
// own any more are passed over.
func (r *Replica) Settle(from layout.ID, marks []wire.Mark) {
	for _, k := range marks {
		s := &r.slots[k.Slot]
		s.mu.Lock()
		if s.obeys(k.Slot, from, k.Version.View) == nil {
			r.forget(k.Slot, s.backup.advance(k.Version.N))
		}
		s.mu.Unlock()
	}
}

// Marks returns the watermarks of the slots that this node is the active primary of
// and the member a backup of, where they are above told, and notes them there.
func (r *Replica) Marks(member layout.ID, told *[layout.Slots]kv.Version) (marks []wire.Mark) {
	for i := range r.slots {
		s := &r.slots[i]
		s.mu.Lock()
		if s.active && s.has(member) {
			if v := (kv.Version{View: s.view, N: s.order.watermark()}); v.N > 0 && v.Compare(told[i]) > 0 {
				told[i] = v
				marks = append(marks, wire.Mark{Slot: uint8(i), Version: v})
			}
		}
		s.mu.Unlock()
	}
	return marks
}

func (s *slot) has(member layout.ID) bool {
	for _, m := range s.others {
		if m.Incarnation == member {
			return true
		}
	}
	return false
}

// Active returns the slots that this node is the active primary of. kv.ErrUnavailable
// if it is the primary of one that is not active: whoever asks about all slots would
// take what is missing for what is not there (§4.3, F27).
func (r *Replica) Active() (*[layout.Slots]bool, error) {
	var in [layout.Slots]bool
	for i := range r.slots {
		s := &r.slots[i]
		s.mu.Lock()
		active, primary := s.active, s.primary != nil && s.primary.Incarnation == r.opt.Self
		s.mu.Unlock()
		if primary && !active {
			return nil, kv.Unavailable("slot %d is not active here yet", i)
		}
		in[i] = active
	}
	return &in, nil
}
