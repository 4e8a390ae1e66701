package replica

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// Entry returns the committed entry of a key of slot n. kv.ErrUnavailable unless this node
// was the slot's active primary before the read, still is after it, and holds leases from
// all other owners then (F7): only so it knows what is committed, and only so it may say
// that there is nothing.
func (m *Machine) Entry(n uint8, key string, clock func() time.Duration) (kv.Entry, error) {
	s := &m.slots[n]
	st := s.standing.Load()
	if !st.active {
		s.mu.Lock()
		defer s.mu.Unlock()
		return kv.Entry{}, s.notActive()
	}
	e, ok := m.opt.Entries.Entry(n, key)
	if err := s.holds(st, clock()); err != nil {
		return kv.Entry{}, err
	}
	if !ok || e.Deleted {
		return kv.Entry{}, kv.ErrNotFound
	}
	if m.losses.suspended(e.UID) {
		return kv.Entry{}, errSuspended(key)
	}
	return e, nil
}

// Reading is the right to answer for all slots whose primary this node is. What is read
// under it may be told if it Holds afterwards.
type Reading struct {
	m     *Machine
	slots [layout.Slots]*standing // nil: not this node's
}

// Read begins a Reading for somebody with the layout of that epoch. kv.ErrUnavailable if
// this node is the primary of a slot that is not active, or follows a newer view of any:
// whoever asks about all slots would take what is missing for what is not there (§4.3, F27).
func (m *Machine) Read(epoch uint64) (*Reading, error) {
	r := &Reading{m: m}
	for i := range m.slots {
		s := &m.slots[i]
		st := s.standing.Load()
		switch {
		case st.view > epoch:
			return nil, kv.Refuse(kv.Moved, "slot %d has other owners since epoch %d", i, st.view)
		case st.mine && !st.active:
			return nil, kv.Refuse(kv.TakingOver, "slot %d is not active here yet", i)
		case st.mine:
			r.slots[i] = st
		}
	}
	return r, nil
}

// Slots are those that the Reading is about.
func (r *Reading) Slots() *[layout.Slots]bool {
	var in [layout.Slots]bool
	for i, st := range r.slots {
		in[i] = st != nil
	}
	return &in
}

// Has tells whether the Reading is about a slot.
func (r *Reading) Has(n uint8) bool { return r.slots[n] != nil }

// Holds returns nil if what was read under the Reading may be told.
func (r *Reading) Holds(now time.Duration) error {
	for i, st := range r.slots {
		if st == nil {
			continue
		}
		if err := r.m.slots[i].holds(st, now); err != nil {
			return err
		}
	}
	return nil
}

// Suspended returns an error if an entry of those that were read is suspended: a list
// with it would promise a value that may be lost, one without it would hide a key.
func (r *Reading) Suspended() error {
	if r.m.losses.any() {
		return kv.Refuse(kv.ValueLost, "keys whose values were lost are being removed")
	}
	return nil
}

// pageEntries and pageBytes bound the pages of Page.
const (
	pageEntries = 2048
	pageBytes   = 256 << 10
)

// Page returns committed entries of a slot for a member that joins. kv.ErrUnavailable
// unless this node is the slot's active primary, in the view of the epoch at most, before
// and after. The page has about most bytes at most, and one entry at least if there is one.
func (m *Machine) Page(n uint8, after string, most int64, epoch uint64, clock func() time.Duration) (wire.EntryPage, error) {
	var p wire.EntryPage
	s := &m.slots[n]
	s.mu.Lock()
	st := s.standing.Load()
	if !st.active || st.view > epoch {
		defer s.mu.Unlock()
		return p, s.notActive()
	}
	// Before the entries: what is ordered later may be here or not.
	p.Watermark = kv.Version{View: s.view, N: s.order.watermark()}
	s.mu.Unlock()
	bytes, most := int64(0), min(most, pageBytes)
	m.opt.Entries.Entries(n, after, func(e *kv.Entry) bool {
		if e.Deleted {
			return true
		}
		size := int64(wire.EntrySize(e))
		if n := len(p.Entries); n == pageEntries || n > 0 && bytes+size > most {
			p.More = true
			return false
		}
		p.Entries = append(p.Entries, Clone(e))
		bytes += size
		return true
	})
	return p, s.holds(st, clock())
}

// Clone copies an entry out of the memory that a walk lends.
func Clone(e *kv.Entry) kv.Entry {
	c := *e
	both := e.Key + e.ContentType // one allocation for the two
	c.Key, c.ContentType = both[:len(e.Key)], both[len(e.Key):]
	return c
}

// SlotState is what a node says of a slot.
type SlotState struct {
	View     uint64
	Owner    bool // this node is in W
	Primary  bool
	Active   bool
	Leased   bool // as the active primary it may answer
	Copied   bool
	Complete bool
}

// State tells how a slot stands.
func (m *Machine) State(n uint8, now time.Duration) SlotState {
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.standing.Load()
	return SlotState{
		View: s.view, Owner: s.owner, Primary: st.mine, Active: st.active, Leased: st.active && st.leased(now),
		Copied: s.copying.copied, Complete: s.copying.complete(),
	}
}
