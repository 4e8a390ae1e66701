package router

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/wire"
)

// Lookup implements kv.Backend: the entry from its primary, then the value from
// memory if it is here, else from any owner.
func (r *Router) Lookup(ctx context.Context, key string, withValue bool) (kv.Entry, kv.Value, error) {
	var e kv.Entry
	var v kv.Value
	slot := r.secret.KeySlot(key)
	err := r.retry(ctx, func(t *layout.Table) (err error) {
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
// peers.ErrGone if all owners say that it is gone, as it is when the entry was replaced
// meanwhile; the entry must then be read again (F31).
func (r *Router) value(ctx context.Context, t *layout.Table, e *kv.Entry) (kv.Value, error) {
	if v := r.owner.Value(e.UID); v != nil {
		return v, nil
	}
	w := wanted{e.UID, t.Owners(e.UID.Slot()).View}
	return r.flights.do(ctx, w, func(ctx context.Context) (kv.Value, error) { return r.fetch(ctx, t, e) })
}

// fetch gets a value from one of its owners. Those who have handed the slot over have
// everything of it as well, for as long as they are owners.
func (r *Router) fetch(ctx context.Context, t *layout.Table, e *kv.Entry) (kv.Value, error) {
	owners := t.Owners(e.UID.Slot())
	v, err := r.fetchFrom(ctx, owners.Serving, e)
	if err == nil || errors.Is(err, peers.ErrMoved) {
		return v, err
	}
	var leaving []*layout.Member
	for _, m := range owners.Ack {
		if m.Phase == layout.Leaving {
			leaving = append(leaving, m)
		}
	}
	if v, late := r.fetchFrom(ctx, leaving, e); late == nil {
		return v, nil
	}
	return nil, err
}

// fetchFrom asks some owners one after the other, starting anywhere. peers.ErrGone if all of
// them say that it is gone.
func (r *Router) fetchFrom(ctx context.Context, owners []*layout.Member, e *kv.Entry) (kv.Value, error) {
	gone := 0
	var last error
	start := rand.IntN(max(1, len(owners)))
	for i := range owners {
		m := owners[(start+i)%len(owners)]
		if m.Incarnation == r.owner.Self {
			gone++
			continue
		}
		var v kv.Value
		var err error
		if e.Size <= wire.MaxInline {
			v, err = r.peers.Value(ctx, m, e.UID)
		} else {
			v, err = r.peers.FetchBody(ctx, m, e.UID, e.Size)
		}
		switch {
		case err == nil:
			return v, nil
		case errors.Is(err, peers.ErrGone):
			gone++
		case errors.Is(err, peers.ErrMoved):
			return nil, err
		default:
			last = err
		}
	}
	if gone == len(owners) {
		return nil, peers.ErrGone
	}
	return nil, kv.Refuse(kv.Unreachable, "no owner of the value gave it: %v", last)
}
