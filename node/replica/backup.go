package replica

import (
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// backup is what an owner of one slot remembers besides the entries themselves.
type backup struct {
	watermark uint64 // of the view
	// unsettled are the operations above the watermark, of this view and of earlier ones:
	// of these alone it is not known that every owner has them.
	unsettled []settling
}

type settling struct {
	key     string
	version kv.Version
	deleted bool
	origin  layout.ID
	id      uint64
	op      *Op // whoever waits for it here, where it was handed over; else nil
}

// Accept stores an entry that a primary has ordered. kv.ErrUnavailable if the sender
// is not the primary of the slot in the view that both know.
func (m *Machine) Accept(from layout.ID, r *wire.Replicate) error {
	s := &m.slots[r.Slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.obeys(from, r.Entry.Version.View); err != nil {
		return err
	}
	m.advance(s, r.Watermark)
	// One at or below the watermark is a late copy of something every owner had, and may
	// have been replaced and forgotten since: storing it would bring it back (F23).
	if r.Entry.Version.N <= s.backup.watermark {
		return nil
	}
	m.opt.Entries.Apply(s.n, &r.Entry)
	s.backup.remember(r)
	return nil
}

func (b *backup) remember(r *wire.Replicate) {
	if slices.ContainsFunc(b.unsettled, func(u settling) bool { return u.version == r.Entry.Version }) {
		return // sent again
	}
	b.unsettled = append(b.unsettled, settling{
		key: r.Entry.Key, version: r.Entry.Version, deleted: r.Entry.Deleted, origin: r.Origin, id: r.ID,
	})
}

func (s *slot) obeys(from layout.ID, view uint64) error {
	switch {
	case !s.owner:
		return kv.Refuse(kv.Moved, "not an owner of slot %d", s.n)
	case s.primary == nil || s.primary.Incarnation != from:
		return kv.Refuse(kv.Moved, "the sender is not the primary of slot %d", s.n)
	case s.view != view:
		return kv.Refuse(kv.Moved, "slot %d is in view %d, not %d", s.n, s.view, view)
	}
	return nil
}

// Settle takes in watermarks from an active primary. Those of slots or views that are not
// its own any more are passed over. Of earlier views nothing is unsettled any more: it was
// ordered anew before the primary became active.
func (m *Machine) Settle(from layout.ID, marks []wire.Mark) {
	for _, k := range marks {
		s := &m.slots[k.Slot]
		s.mu.Lock()
		if s.obeys(from, k.Version.View) == nil {
			s.earlier = nil
			m.settled(s, func(u *settling) bool { return u.version.View < k.Version.View })
			m.advance(s, k.Version.N)
		}
		s.mu.Unlock()
	}
}

// advance moves the watermark.
func (m *Machine) advance(s *slot, watermark uint64) {
	if watermark <= s.backup.watermark {
		return
	}
	s.backup.watermark = watermark
	m.settled(s, func(u *settling) bool { return u.version.View == s.view && u.version.N <= watermark })
}

// settled drops unsettled operations that are at every owner, and their tombstones: nothing
// older than them can be stored any more, unless entries are being copied.
func (m *Machine) settled(s *slot, is func(*settling) bool) {
	kept := s.backup.unsettled[:0]
	for i := range s.backup.unsettled {
		u := &s.backup.unsettled[i]
		if !is(u) {
			kept = append(kept, *u)
			continue
		}
		u.op.succeed()
		switch {
		case !u.deleted:
		case s.copying.open:
			s.copying.tombstones = append(s.copying.tombstones, tombstone{u.key, u.version})
		default:
			m.opt.Entries.Forget(s.n, u.key, u.version)
		}
	}
	clear(s.backup.unsettled[len(kept):])
	s.backup.unsettled = kept
}

// gatherBytes bounds the answer to a Gather.
const gatherBytes = 512 << 10

// Unsettled answers a new primary's question. kv.ErrUnavailable if the sender is not the
// primary of all the slots, in the views that both follow.
func (m *Machine) Unsettled(from layout.ID, q *wire.Gather) (wire.Gathered, error) {
	var g wire.Gathered
	bytes := 0
	for i, n := range q.Slots {
		s := &m.slots[n]
		s.mu.Lock()
		err := s.obeys(from, q.Views[i])
		if err == nil {
			for j := range s.backup.unsettled {
				if u, ok := m.unsettled(s, &s.backup.unsettled[j]); ok {
					g.Ops = append(g.Ops, u)
					bytes += wire.EntrySize(&u.Entry)
				}
			}
		}
		s.mu.Unlock()
		if err != nil {
			return wire.Gathered{}, err
		}
		if g.Slots++; bytes > gatherBytes {
			break
		}
	}
	return g, nil
}

// unsettled is what is to be told of an unsettled operation. If a newer one of its key is
// here, that one tells of itself.
func (m *Machine) unsettled(s *slot, u *settling) (wire.Unsettled, bool) {
	e, ok := m.opt.Entries.Entry(s.n, u.key)
	if !ok || e.Version != u.version {
		return wire.Unsettled{}, false
	}
	return wire.Unsettled{Slot: s.n, Entry: e, Origin: u.origin, ID: u.id}, true
}
