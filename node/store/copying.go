package store

import (
	"sync/atomic"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

// Info is what there is to know of a value without its bytes.
type Info struct {
	UID     uid.UID
	Size    int64
	Witness uint8 // the slot of an entry that refers to the value, or once did
}

// Values returns up to limit values of a slot whose uids are greater than after, sorted.
// The zero UID is before all. The slot cannot be written to meanwhile.
func (s *Store) Values(slot uint8, after uid.UID, limit int) []Info {
	return valuesAfter(s, slot, after, limit, func(h head) Info {
		return Info{UID: *h.uid(), Size: h.size(), Witness: h.witness()}
	})
}

// ValueBytes is how many bytes the values of a slot have.
func (s *Store) ValueBytes(slot uint8) int64 {
	vs := &s.values[slot]
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	return vs.bytes
}

func valuesAfter[T any](s *Store, slot uint8, after uid.UID, limit int, of func(head) T) []T {
	if after.Slot() > slot {
		return nil
	}
	vs := &s.values[slot]
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	at := place{}
	if after.Slot() == slot {
		var found bool
		if at, found = vs.place(s.mem, &after); found {
			at.i++
		}
	}
	out := make([]T, 0, min(limit, vs.index.count))
	for len(out) < limit {
		it, ok := vs.index.at(s.mem, &at)
		if !ok {
			break
		}
		out = append(out, of(s.mem.Cell(it.ref())))
		at.i++
	}
	return out
}

// Reference is an entry that refers to a value.
type Reference struct {
	Slot    uint8 // of the key
	Key     string
	UID     uid.UID
	Version kv.Version
}

// Place is where a walk of Referring goes on. The zero Place is before all.
type Place struct {
	uid   uid.UID
	slot  uint8
	entry arena.Ref
	moves uint64 // as the store's were when the entry was read
}

// Referring returns up to limit entries of all slots that refer to values of one slot,
// and the place behind them. The walk ends where it returns none. Tombstones refer to
// nothing.
//
// An entry that is there during the whole walk comes, at least once: what moves entries
// together may make some come again.
func (s *Store) Referring(valueSlot uint8, after Place, limit int) ([]Reference, Place) {
	sh := &s.refs[valueSlot]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	moves := s.moves.now()
	var at place
	if after != (Place{}) {
		if !unmoved(after.moves, moves) {
			after.entry = 0 // entries behind it may lie before it now
		}
		var found bool
		if at, found = sh.place(s.mem, &after.uid, after.slot, after.entry); found {
			at.i++
		}
	}
	var out []Reference
	for len(out) < limit {
		it, ok := sh.index.at(s.mem, &at)
		if !ok {
			break
		}
		e := entryCell(s.mem.Cell(it.ref()))
		out = append(out, Reference{Slot: e.slot(), Key: string(e.key()), UID: *e.uid(), Version: e.version()})
		after = Place{uid: *e.uid(), slot: e.slot(), entry: it.ref(), moves: moves}
		at.i++
	}
	return out, after
}

// moves counts the times that entries began or ceased to be moved: it is odd while they
// may be on the move.
type moves struct{ n atomic.Uint64 }

func (m *moves) now() uint64 { return m.n.Load() }
func (m *moves) begin()      { m.n.Add(1) }
func (m *moves) end()        { m.n.Add(1) }

// unmoved tells whether entries are certain to lie where they lay then.
func unmoved(then, now uint64) bool { return then == now && then%2 == 0 }
