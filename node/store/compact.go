package store

import (
	"sync"

	"github.com/eiri/seppen/node/store/arena"
)

// compaction keeps passes apart and from following each other in vain.
type compaction struct {
	mu       sync.Mutex
	tried    bool
	fruitful bool   // the last pass emptied half of what it set out to
	second   uint32 // of the last pass
}

// worthwhile is the share of the pages in use that a pass must promise to free, as it
// looks at every item of every index.
const worthwhile = 1.0 / 32

// makeRoom compacts if that frees enough pages to be worth it, and tells whether the
// caller should try again. The caller holds no lock.
func (s *Store) makeRoom() bool {
	s.compaction.mu.Lock()
	defer s.compaction.mu.Unlock()
	return s.compactIfWorthwhile()
}

// relieve is makeRoom for who need not wait for a pass that is under way.
func (s *Store) relieve() {
	if s.compaction.mu.TryLock() {
		defer s.compaction.mu.Unlock()
		s.compactIfWorthwhile()
	}
}

func (s *Store) compactIfWorthwhile() bool {
	c := &s.compaction
	promised := s.mem.Reclaimable()
	if promised < 1 || float64(promised) < worthwhile*float64(s.mem.Used()/arena.PageSize) {
		return s.mem.Left() > 0 // a pass that was waited for may have done it
	}
	if now := s.now(); c.tried && !c.fruitful && now == c.second {
		return false
	}
	return s.pass(promised) > 0
}

// pass compacts and takes note of whether that was worth it.
func (s *Store) pass(promised int64) (emptied int) {
	emptied = s.compact()
	c := &s.compaction
	c.tried, c.second = true, s.now()
	c.fruitful = int64(emptied) >= (promised+1)/2
	return emptied
}

// Trim gives memory back to the system that was free and not needed since it was last
// called, and returns how many bytes. It is to be called every second or so.
func (s *Store) Trim() int64 {
	s.tighten()
	return s.mem.Trim() + s.transit.Trim()
}

// What stays after most of a store went lies in pages that are nearly empty. They are
// emptied, not more often than every restSeconds, when they are a good part of all, even
// where nobody needs the room: other processes may.
const (
	loose       = 1.0 / 4 // of the pages in use
	looseLeast  = 16      // pages
	restSeconds = 10
)

func (s *Store) tighten() {
	c := &s.compaction
	if !c.mu.TryLock() {
		return // a pass is under way
	}
	defer c.mu.Unlock()
	promised := s.mem.Reclaimable()
	if promised < looseLeast || float64(promised) < loose*float64(s.mem.Used()/arena.PageSize) {
		return
	}
	if !c.tried || s.now()-c.second >= restSeconds {
		s.pass(promised)
	}
}

// Compact moves entries, values and leaves together until no cell size has more pages
// than it needs, and returns how many pages that freed. What readers hold is not
// moved. It walks all indexes, a slot at a time. The store does this itself when it
// reaches its limit, and when most of what it held went (Trim).
func (s *Store) Compact() int {
	s.compaction.mu.Lock()
	defer s.compaction.mu.Unlock()
	return s.compact()
}

func (s *Store) compact() int {
	if s.mem.Evacuate() == 0 {
		return 0
	}
	s.moves.begin()
	defer s.moves.end()
	for slot := range slots {
		s.compactEntries(uint8(slot))
		s.compactValues(uint8(slot))
		s.compactRefs(uint8(slot))
	}
	return s.mem.Settle()
}

func (s *Store) compactEntries(slot uint8) {
	es := &s.entries[slot]
	es.mu.Lock()
	defer es.mu.Unlock()
	es.index.moveLeaves(s.mem)
	es.index.moveItems(s.mem, func(old arena.Ref) (arena.Ref, bool) {
		moved, ok := s.mem.Move(old)
		if !ok {
			return 0, false
		}
		if e := entryCell(s.mem.Cell(moved)); !e.deleted() {
			s.addRef(e.uid(), slot, moved)
			s.removeRef(e.uid(), slot, old)
		}
		return moved, true
	})
}

func (s *Store) compactValues(slot uint8) {
	vs := &s.values[slot]
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.index.moveLeaves(s.mem)
	// Nobody can begin to read a value while its slot is locked.
	vs.index.moveItems(s.mem, func(old arena.Ref) (arena.Ref, bool) {
		if head(s.mem.Cell(old)).pinned() {
			return 0, false
		}
		return s.mem.Move(old)
	})
	if s.mem.EvacuatingSize(halfSize) {
		s.moveHalves(&vs.index)
	}
}

// moveHalves moves the half blocks of values.
func (s *Store) moveHalves(ix *index) {
	ix.each(s.mem, func(_ place, it item) {
		h := head(s.mem.Cell(it.ref()))
		sh := shapeOf(h.size())
		if !sh.half || h.pinned() {
			return
		}
		old := h.piece(s.mem, &sh, sh.blocks)
		if !s.mem.Evacuating(old) {
			return
		}
		if moved, ok := s.mem.Move(old); ok {
			h.setPiece(s.mem, &sh, sh.blocks, moved)
			s.mem.Free(old)
		}
	})
}

func (s *Store) compactRefs(shard uint8) {
	sh := &s.refs[shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.index.moveLeaves(s.mem)
}

// moveLeaves moves the leaves that lie in pages being emptied.
func (ix *index) moveLeaves(a *arena.Arena) {
	for i := range ix.leaves {
		l := &ix.leaves[i]
		if !a.Evacuating(l.ref) {
			continue
		}
		if moved, ok := a.Move(l.ref); ok {
			a.Free(l.ref)
			l.ref = moved
		}
	}
}

// moveItems calls move for each cell that lies in a page being emptied, makes the
// index refer to where it went, and frees it where it was.
func (ix *index) moveItems(a *arena.Arena, move func(arena.Ref) (arena.Ref, bool)) {
	ix.each(a, func(at place, it item) {
		if !a.Evacuating(it.ref()) {
			return
		}
		if moved, ok := move(it.ref()); ok {
			ix.set(a, at, it.withRef(moved))
			a.Free(it.ref())
		}
	})
}

func (ix *index) each(a *arena.Arena, visit func(place, item)) {
	for li, l := range ix.leaves {
		cell := a.Cell(l.ref)
		for i := range l.n {
			visit(place{li, i}, loadItem(cell, i))
		}
	}
}
