package store

import (
	"sync"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

// Value is a value of the store, held for a reader: its bytes stay where they are
// until Close, also if the value is freed meanwhile. Chunk may be called by many
// goroutines at once.
type Value struct {
	mem  *arena.Arena
	ref  arena.Ref
	head head
	sh   shape
}

var _ kv.Value = (*Value)(nil)

// Handles are reused, so that a GET leaves no garbage.
var valuePool = sync.Pool{New: func() any { return new(Value) }}

// Value returns a value for reading, nil if it is not there. Close it once.
func (s *Store) Value(u uid.UID) *Value {
	vs := &s.values[u.Slot()]
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	ref, ok := vs.find(s.mem, &u)
	if !ok {
		return nil
	}
	v := valuePool.Get().(*Value)
	v.mem, v.ref, v.head = s.mem, ref, s.mem.Cell(ref)
	v.sh = shapeOf(v.head.size())
	v.head.pin()
	return v
}

// UID is the name the value was installed under.
func (v *Value) UID() uid.UID { return *v.head.uid() }

// Size is the value's length in bytes.
func (v *Value) Size() int64 { return v.sh.size }

// Chunk returns bytes from off on, at least one, in a slice that may end before the
// value does. They are valid until Close. The error is io.EOF if off is not below Size.
func (v *Value) Chunk(off int64) ([]byte, error) { return v.head.span(v.mem, &v.sh, off) }

// Close lets go of the value. It must be called exactly once.
func (v *Value) Close() {
	letGo(v.mem, v.ref)
	*v = Value{}
	valuePool.Put(v)
}

// letGo gives up one count of a value; the last one frees it.
func letGo(a *arena.Arena, ref arena.Ref) {
	if head(a.Cell(ref)).unpin() {
		freeValue(a, ref, 0)
	}
}

func (vs *valueSlot) find(a *arena.Arena, u *uid.UID) (arena.Ref, bool) {
	at, ok := vs.place(a, u)
	if !ok {
		return 0, false
	}
	it, _ := vs.index.at(a, &at)
	return it.ref(), true
}

func (vs *valueSlot) place(a *arena.Arena, u *uid.UID) (place, bool) {
	return vs.index.find(a, probe{uidPrefix(u), func(ref arena.Ref) int {
		return compareUID(u, head(a.Cell(ref)).uid())
	}})
}
