package replica

import (
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// order is one slot's order of entries at its primary.
type order struct {
	view    uint64
	last    uint64 // n of the operation ordered last
	pending map[string]*operation
}

// operation is one that was ordered. It is never given up: it ends only when every
// owner has it.
type operation struct {
	entry   kv.Entry
	created bool
	prev    kv.Entry // what it replaces; Key is empty if there was nothing
	origin  layout.ID
	id      uint64
	missing []layout.ID   // owners that have not acknowledged yet
	done    chan struct{} // closed when all have
}

// decide judges a write against the key's committed entry, nil if it has none. There
// is no other operation on the key. It returns the operation, already ordered, or
// kv.ErrPrecondition or kv.ErrNotFound, which are final: they were judged against what
// cannot be lost any more (F1).
func (o *order) decide(w *wire.Write, current *kv.Entry, now int64) (*operation, error) {
	if current != nil && current.Deleted {
		current = nil
	}
	// In this order: what would fail without conditions fails in the same way with them
	// (RFC 9110, section 13.2.1).
	if w.Delete && current == nil {
		return nil, kv.ErrNotFound
	}
	if !w.Cond.Allow(current) {
		return nil, kv.ErrPrecondition
	}
	o.last++
	op := &operation{created: current == nil, id: w.ID}
	op.entry = kv.Entry{
		Key: w.Key, UID: w.UID, Size: w.Size, ContentType: w.ContentType, Expires: w.Expires, Deleted: w.Delete,
		Version: kv.Version{View: o.view, N: o.last}, Modified: now,
	}
	if current != nil {
		op.prev = *current
		op.entry.Modified = max(now, current.Modified) // a key's time never runs backwards
	}
	return op, nil
}

// begin makes an operation wait for the acknowledgements of others.
func (o *order) begin(op *operation, others []*layout.Member) {
	op.done = make(chan struct{})
	for _, m := range others {
		op.missing = append(op.missing, m.Incarnation)
	}
	if o.pending == nil {
		o.pending = make(map[string]*operation)
	}
	o.pending[op.entry.Key] = op
}

// acknowledge notes that an owner has the operation and tells whether it was the last.
func (o *order) acknowledge(op *operation, from layout.ID) bool {
	i := slices.Index(op.missing, from)
	if i < 0 {
		return false
	}
	op.missing = slices.Delete(op.missing, i, i+1)
	return len(op.missing) == 0
}

// finish ends an operation that every owner has.
func (o *order) finish(op *operation) { delete(o.pending, op.entry.Key) }

// watermark is the highest n up to which every operation is at every owner.
func (o *order) watermark() uint64 {
	w := o.last
	for _, op := range o.pending {
		w = min(w, op.entry.Version.N-1)
	}
	return w
}
