package replica

import (
	"strings"

	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// copying is how far a member has come that takes in a slot.
type copying struct {
	copied bool // once around, without being an owner
	// open: pages may be on their way, so every tombstone is kept (F23).
	open            bool
	entries, values bool // all are here, and all later ones come
	tombstones      []tombstone
}

type tombstone struct {
	key     string
	version kv.Version
}

func (c *copying) complete() bool { return c.entries && c.values }

// finish is for members of which the author says that they are complete; those that begin
// with a slot that was given up may have been in the middle of copying it.
func (m *Machine) finish(s *slot) {
	s.copying.entries, s.copying.values = true, true
	m.closeCopy(s)
}

// closeCopy drops what was kept against pages that were on their way.
func (m *Machine) closeCopy(s *slot) {
	s.copying.open = false
	for _, t := range s.copying.tombstones {
		m.opt.Entries.Forget(s.n, t.key, t.version)
	}
	s.copying.tombstones = nil
}

// Copied notes that a joining member has copied a slot once.
func (m *Machine) Copied(n uint8) {
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copying.copied = true
}

// OpenCopy begins the copying of a slot that this node, attached, is an owner of, and
// tells in which view; false if there is nothing to copy. Pages must be asked for after it.
func (m *Machine) OpenCopy(n uint8) (view uint64, ok bool) {
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.owner || s.copying.complete() {
		return 0, false
	}
	if !s.copying.entries {
		s.copying.open = true
	}
	return s.view, true
}

// TakePage takes in a page that the slot's active primary gave for a question after a key
// in this view; a joining member, which is in no view, has view 0. kv.ErrUnavailable if the
// view is another one: the page may then lack what this node was not sent.
func (m *Machine) TakePage(n uint8, view uint64, after string, p *wire.EntryPage) error {
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if view == 0 && !s.owner {
		m.takeNewer(s, p)
		return nil
	}
	if err := s.copies(view); err != nil {
		return err
	}
	if p.Watermark.View != view {
		return kv.Refuse(kv.Moved, "the page is of view %d of slot %d, not %d", p.Watermark.View, n, view)
	}
	m.takeNewer(s, p)
	m.dropMissing(s, after, p)
	return nil
}

func (s *slot) copies(view uint64) error {
	if !s.owner || !s.copying.open || s.view != view {
		return kv.Refuse(kv.Moved, "slot %d is in view %d, not %d", s.n, s.view, view)
	}
	return nil
}

func (m *Machine) takeNewer(s *slot, p *wire.EntryPage) {
	for i := range p.Entries {
		m.opt.Entries.Apply(s.n, &p.Entries[i])
	}
}

// dropMissing removes what the page should have and does not: it was deleted, or it never
// was committed (F24). What is above the page's watermark may be newer than the page.
func (m *Machine) dropMissing(s *slot, after string, p *wire.EntryPage) {
	var gone []tombstone
	i := 0
	m.opt.Entries.Entries(s.n, after, func(e *kv.Entry) bool {
		for i < len(p.Entries) && p.Entries[i].Key < e.Key {
			i++
		}
		if i == len(p.Entries) && p.More {
			return false
		}
		missing := i == len(p.Entries) || p.Entries[i].Key != e.Key
		if missing && !e.Deleted && e.Version.Compare(p.Watermark) <= 0 {
			gone = append(gone, tombstone{strings.Clone(e.Key), e.Version})
		}
		return true
	})
	for _, g := range gone {
		m.opt.Entries.Remove(s.n, g.key, g.version)
	}
}

// EntriesCopied notes that all pages of a slot were taken in, in one view.
func (m *Machine) EntriesCopied(n uint8, view uint64) error {
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.copies(view); err != nil {
		return err
	}
	s.copying.entries = true
	m.closeCopy(s)
	return nil
}

// ValuesCopied notes that all values are here that a serving owner listed which followed
// the same view of the slot.
func (m *Machine) ValuesCopied(n uint8, view uint64) error {
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.owner || s.view != view {
		return kv.Refuse(kv.Moved, "slot %d is in view %d, not %d", s.n, s.view, view)
	}
	s.copying.values = true
	return nil
}
