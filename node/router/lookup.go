package router

import (
	"context"
	"math/rand/v2"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/routing"
	"github.com/eiri/seppen/node/wire"
)

// Lookup implements kv.Backend: the entry from its primary, then the value from
// memory if it is here, else from any owner.
func (r *Router) Lookup(ctx context.Context, key string, withValue bool) (kv.Entry, kv.Value, error) {
	var e kv.Entry
	var v kv.Value
	slot := r.secret.KeySlot(key)
	view := func(t *layout.Table) uint64 {
		if e.Key == "" {
			return t.View(slot)
		}
		return t.View(slot, e.UID.Slot())
	}
	err := r.retry(ctx, view, func(t *layout.Table) (err error) {
		e, v, err = r.lookup(ctx, t, slot, key, withValue)
		return err
	})
	return e, v, err
}

func (r *Router) lookup(ctx context.Context, t *layout.Table, slot uint8, key string, withValue bool) (kv.Entry, kv.Value, error) {
	m, self, err := r.primary(t, slot)
	if err != nil {
		return kv.Entry{}, nil, err
	}
	var e kv.Entry
	var v kv.Value
	if self {
		e, err = r.owner.Entry(slot, key)
	} else {
		inline := 0
		if withValue {
			inline = wire.MaxInline
		}
		e, v, err = r.peers.Lookup(ctx, m, key, inline)
	}
	if err != nil || !withValue || v != nil {
		return e, v, err
	}
	v, err = r.value(ctx, t, &e)
	return e, v, err
}

// value returns the value of an entry: copies never differ, so any owner will do.
// kv.ErrGone if all owners say that it is gone, as it is when the entry was replaced
// meanwhile; the entry must then be read again (F31).
func (r *Router) value(ctx context.Context, t *layout.Table, e *kv.Entry) (kv.Value, error) {
	if v := r.owner.Value(e.UID); v != nil {
		return v, nil
	}
	w := wanted{e.UID, t.Owners(e.UID.Slot()).View}
	return r.flights.do(ctx, w, func(ctx context.Context) (kv.Value, error) { return r.fetch(ctx, t, e) })
}

// fetch gets a value from one of its owners.
func (r *Router) fetch(ctx context.Context, t *layout.Table, e *kv.Entry) (v kv.Value, err error) {
	owners := t.Owners(e.UID.Slot())
	err = routing.Fetch(owners, r.owner.Self, rand.IntN(1<<16), func(m *layout.Member) (err error) {
		if e.Size <= wire.MaxInline {
			v, err = r.peers.Value(ctx, m, e.UID)
		} else {
			v, err = r.peers.FetchBody(ctx, m, e.UID, e.Size)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}
