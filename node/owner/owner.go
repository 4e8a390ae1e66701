// Package owner is what a node does for the slots that it owns, whoever asks: the
// node's own router, or another node over the peer port.
package owner

import (
	"context"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/replication"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// Owner joins a node's memory and its part in the order of entries.
type Owner struct {
	Self    layout.ID
	Secret  *uid.Secret
	Store   *store.Store
	Replica *replica.Machine
	Driver  *replication.Driver
	Clock   func() time.Duration
	// Placed is told of values just placed or touched, Hinted of those that a primary
	// dropped its last entry for. See node/reclaim.
	Placed, Hinted func(u uid.UID)
	// Doubt is told of a value whose copy here was found corrupt elsewhere.
	Doubt func(u uid.UID)
	// Healing knows which slots lack a value for the moment.
	Healing Healing
}

// KeySlot is the slot of a key's entry.
func (o *Owner) KeySlot(key string) uint8 { return o.Secret.KeySlot(key) }

// Sum is the uid of a value.
func (o *Owner) Sum(value []byte) uid.UID { return o.Secret.Sum(value) }

// Ticket is this node's clock as a primary.
func (o *Owner) Ticket() wire.Ticket { return wire.Ticket{Incarnation: o.Self, Clock: peer.Clock()} }

// Entry returns the entry of a key of the slot if this node is its active primary.
func (o *Owner) Entry(slot uint8, key string) (kv.Entry, error) {
	return o.Replica.Entry(slot, key, o.Clock)
}

// Order executes a write of a key of the slot if this node is its active primary.
func (o *Owner) Order(ctx context.Context, slot uint8, w *wire.Write, origin layout.ID) (wire.Ordered, error) {
	return o.Driver.Order(ctx, slot, w, origin)
}

// Value returns a value that is here, else nil.
func (o *Owner) Value(u uid.UID) *store.Value { return o.Store.Value(u) }

// Touch tells whether a value is here and protects it for the write that asks (F25).
func (o *Owner) Touch(p wire.Place) bool {
	had := o.Store.Touch(p.UID, p.Witness)
	if had {
		o.Placed(p.UID)
	}
	return had
}

// Place stores a small value. kv.ErrNoMemory if there is no room.
func (o *Owner) Place(p wire.Place, value []byte) error {
	_, err := o.Store.InstallBytes(p.UID, value, p.Witness)
	if err == nil {
		o.Placed(p.UID)
	}
	return err
}

// Install stores a value that was staged, whose uid the caller has computed.
func (o *Owner) Install(p wire.Place, body *store.Staged) {
	o.Store.Install(p.UID, body, p.Witness)
	o.Placed(p.UID)
}

// List returns a page of the entries of the slots that this node is the primary of, to
// somebody with the layout of that epoch. kv.ErrUnavailable if one of them is not active or
// not leased, or a value may be lost.
func (o *Owner) List(q *wire.List, epoch uint64) (wire.Page, error) {
	var p wire.Page
	r, err := o.Replica.Read(epoch)
	if err != nil {
		return p, err
	}
	size := 0
	o.Store.List(r.Slots(), q.Prefix, q.After, q.Keys+1, func(e *kv.Entry) bool {
		if len(p.Entries) == q.Keys || size >= q.Bytes && size > 0 {
			p.More = true
			return false
		}
		p.Entries = append(p.Entries, replica.Clone(e))
		size += wire.EntrySize(e)
		return true
	})
	if err := r.Suspended(); err != nil {
		return wire.Page{}, err
	}
	return p, r.Holds(o.Clock())
}
