package store

import (
	"bytes"

	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

// Entry returns the entry of a key of the slot; a tombstone has Deleted set.
func (s *Store) Entry(slot uint8, key string) (kv.Entry, bool) {
	es := &s.entries[slot]
	es.mu.RLock()
	defer es.mu.RUnlock()
	at, ok := es.place(s.mem, key)
	if !ok {
		return kv.Entry{}, false
	}
	it, _ := es.index.at(s.mem, &at)
	return entryCell(s.mem.Cell(it.ref())).entry(key, ""), true
}

// Apply stores an entry or a tombstone if its version is above what the slot has for
// the key. It returns what was there before, be it stored over or not. It never fails
// for memory: an ordered entry is not refused (F30). Above the limit it may do the
// work of Compact. Panics if the key or the content type has an impossible length.
func (s *Store) Apply(slot uint8, e *kv.Entry) (prev kv.Entry, hadPrev, applied bool) {
	check(e)
	prev, hadPrev, applied = s.apply(slot, e)
	if applied && s.limited && s.mem.Left() < 0 {
		s.relieve()
	}
	return prev, hadPrev, applied
}

func (s *Store) apply(slot uint8, e *kv.Entry) (prev kv.Entry, hadPrev, applied bool) {
	es := &s.entries[slot]
	es.mu.Lock()
	defer es.mu.Unlock()
	at, found := es.place(s.mem, e.Key)
	var old item
	if found {
		old, _ = es.index.at(s.mem, &at)
		prev = entryCell(s.mem.Cell(old.ref())).entry(e.Key, e.ContentType)
		if e.Version.Compare(prev.Version) <= 0 {
			return prev, true, false
		}
	}
	ref := mustAlloc(s.mem, entryCellBytes(e))
	entryCell(s.mem.Cell(ref)).put(slot, e)
	// The new reference first: a value that both refer to is never without one.
	es.count(e, 1)
	if !e.Deleted {
		s.addRef(&e.UID, slot, ref)
	}
	if !found {
		es.index.insert(s.mem, at, newItem(prefixOf(e.Key), ref))
		return prev, false, true
	}
	es.index.set(s.mem, at, old.withRef(ref))
	s.forgetCell(es, slot, &prev, old.ref())
	return prev, true, true
}

// forgetCell drops what depends on an entry that is no longer in its slot's index.
func (s *Store) forgetCell(es *entrySlot, slot uint8, e *kv.Entry, ref arena.Ref) {
	es.count(e, -1)
	if !e.Deleted {
		s.removeRef(&e.UID, slot, ref)
	}
	s.mem.Free(ref)
}

// Forget removes a key's tombstone if it is still that of version v, and tells
// whether it did.
func (s *Store) Forget(slot uint8, key string, v kv.Version) bool {
	return s.removeEntry(slot, key, func(c entryCell) bool { return c.deleted() && c.version() == v })
}

// Remove removes a key's entry, a tombstone or not, if it is still that of version v,
// and tells whether it did.
func (s *Store) Remove(slot uint8, key string, v kv.Version) bool {
	return s.removeEntry(slot, key, func(c entryCell) bool { return c.version() == v })
}

func (s *Store) removeEntry(slot uint8, key string, when func(entryCell) bool) bool {
	es := &s.entries[slot]
	es.mu.Lock()
	defer es.mu.Unlock()
	at, ok := es.place(s.mem, key)
	if !ok {
		return false
	}
	it, _ := es.index.at(s.mem, &at)
	if !when(entryCell(s.mem.Cell(it.ref()))) {
		return false
	}
	s.removeAt(es, slot, at)
	return true
}

// removeAt removes the entry at a place that has one.
func (s *Store) removeAt(es *entrySlot, slot uint8, at place) {
	it, _ := es.index.at(s.mem, &at)
	e := entryCell(s.mem.Cell(it.ref())).entry("", "")
	es.index.remove(s.mem, at)
	s.forgetCell(es, slot, &e, it.ref())
}

// clearBatch is how many entries Clear removes with the slot locked.
const clearBatch = 256

// Clear removes all entries of a slot, tombstones too, and returns how many these were.
// Nobody may apply entries to it meanwhile, or some of them may stay. The slot is locked
// for some of them at a time.
func (s *Store) Clear(slot uint8) (removed int) {
	for {
		n := s.clearSome(slot)
		removed += n
		if n < clearBatch {
			return removed
		}
	}
}

// clearSome removes entries from the end of a slot, where nothing has to be moved up.
func (s *Store) clearSome(slot uint8) (removed int) {
	es := &s.entries[slot]
	es.mu.Lock()
	defer es.mu.Unlock()
	for removed < clearBatch && es.index.count > 0 {
		last := len(es.index.leaves) - 1
		s.removeAt(es, slot, place{last, es.index.leaves[last].n - 1})
		removed++
	}
	return removed
}

func (es *entrySlot) place(a *arena.Arena, key string) (place, bool) {
	return es.index.find(a, probe{prefixOf(key), func(ref arena.Ref) int {
		return bytes.Compare([]byte(key), entryCell(a.Cell(ref)).key())
	}})
}

// count adds an entry to the slot's figures, n times.
func (es *entrySlot) count(e *kv.Entry, n int64) {
	if e.Deleted {
		es.tombstones += int(n)
		return
	}
	es.keyBytes += n * int64(len(e.Key))
	es.logical += n * e.Size
}
