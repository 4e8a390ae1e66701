package store

import (
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store/arena"
)

// Freeable is what deciding about freeing a value needs.
type Freeable struct {
	// Generation changes with every touch, and is never the same for two lives of a value.
	Generation uint32
	// Touched is for how many whole seconds at least the value was not touched.
	Touched uint32
	// Witness is the slot of an entry that refers to the value, or once did.
	Witness uint8
}

// Age returns a value's touch; false if it is not there.
func (s *Store) Age(u uid.UID) (Freeable, bool) {
	vs := &s.values[u.Slot()]
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	ref, ok := vs.find(s.mem, &u)
	if !ok {
		return Freeable{}, false
	}
	h := head(s.mem.Cell(ref))
	var age uint32
	if now := s.now(); now > h.touched() {
		age = now - h.touched() - 1 // the touch may have been late in its second
	}
	return Freeable{Generation: h.generation(), Touched: age, Witness: h.witness()}, true
}

// SetWitness records the slot of an entry that refers to the value, unless it was
// touched since the generation.
func (s *Store) SetWitness(u uid.UID, slot uint8, generation uint32) {
	vs := &s.values[u.Slot()]
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if ref, ok := vs.find(s.mem, &u); ok {
		if h := head(s.mem.Cell(ref)); h.generation() == generation {
			h.setWitness(slot)
		}
	}
}

// Free removes a value if it was not touched since the generation, and tells whether
// it did (I5).
func (s *Store) Free(u uid.UID, generation uint32) bool {
	return s.removeValue(&u, func(h head) bool { return h.generation() == generation })
}

// UIDs returns up to limit uids of a slot that are greater than after, sorted. The zero
// UID is before all.
func (s *Store) UIDs(slot uint8, after uid.UID, limit int) []uid.UID {
	return valuesAfter(s, slot, after, limit, func(h head) uid.UID { return *h.uid() })
}

// Refers finds an entry that refers to the value, of a slot for which in holds; nil
// means all. Tombstones refer to nothing. It returns the entry's slot.
func (s *Store) Refers(u uid.UID, in *[slots]bool) (slot uint8, ok bool) {
	sh := &s.refs[u.Slot()]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	// Many entries may refer to one value, so slots are looked up and not walked to.
	for want := 0; want < slots; want++ {
		if in != nil && !in[want] {
			continue
		}
		at, _ := sh.place(s.mem, &u, uint8(want), 0)
		it, more := sh.index.at(s.mem, &at)
		if !more {
			return 0, false
		}
		e := entryCell(s.mem.Cell(it.ref()))
		if *e.uid() != u {
			return 0, false
		}
		if in == nil || in[e.slot()] {
			return e.slot(), true
		}
		want = int(e.slot()) // not in; the loop goes on behind it
	}
	return 0, false
}

// place is where the reference from an entry is or would be. An entry 0 is before all
// others of its slot.
func (sh *refShard) place(a *arena.Arena, u *uid.UID, slot uint8, entry arena.Ref) (place, bool) {
	return sh.index.find(a, probe{uidPrefix(u), func(ref arena.Ref) int {
		e := entryCell(a.Cell(ref))
		if c := compareUID(u, e.uid()); c != 0 {
			return c
		}
		if c := int(slot) - int(e.slot()); c != 0 {
			return c
		}
		if entry < ref {
			return -1
		} else if entry > ref {
			return 1
		}
		return 0
	}})
}

func (s *Store) addRef(u *uid.UID, slot uint8, entry arena.Ref) {
	sh := &s.refs[u.Slot()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	at, _ := sh.place(s.mem, u, slot, entry)
	sh.index.insert(s.mem, at, newItem(uidPrefix(u), entry))
}

func (s *Store) removeRef(u *uid.UID, slot uint8, entry arena.Ref) {
	sh := &s.refs[u.Slot()]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	at, ok := sh.place(s.mem, u, slot, entry)
	if !ok {
		panic("store: an entry without its reference")
	}
	sh.index.remove(s.mem, at)
}
