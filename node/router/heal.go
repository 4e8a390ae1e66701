package router

import (
	"context"
	"fmt"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// Heal checks this node's copy of a value against its uid. A bad copy is dropped and
// fetched again from another owner (§4.5). It returns whether the copy was bad.
func (r *Router) Heal(ctx context.Context, u uid.UID) (bad bool, err error) {
	f, size, err := r.dropIfBad(ctx, u)
	if f == nil || err != nil {
		return false, err
	}
	t, err := r.table()
	if err != nil {
		return true, err
	}
	whole, err := r.fetch(ctx, t, &kv.Entry{UID: u, Size: size})
	if err != nil {
		return true, fmt.Errorf("heal %s: %w", u, err)
	}
	defer whole.Close()
	staged, err := r.copyOf(whole)
	if err != nil {
		return true, fmt.Errorf("heal %s: %w", u, err)
	}
	r.owner.Install(wire.Place{UID: u, Witness: f.Witness}, staged)
	return true, nil
}

// dropIfBad drops this node's copy of a value if it is bad and returns what it was, nil
// if nothing was dropped. What was looked at may be replaced meanwhile, by whoever heals
// it too or brings it anew: then it is looked at again, so that no good copy is dropped.
func (r *Router) dropIfBad(ctx context.Context, u uid.UID) (f *store.Freeable, size int64, err error) {
	for ctx.Err() == nil {
		age, _ := r.owner.Store.Age(u)
		v := r.owner.Value(u)
		if v == nil {
			return nil, 0, nil
		}
		size = v.Size()
		good, err := r.matches(v, u)
		v.Close()
		if err != nil || good {
			return nil, 0, err
		}
		if r.owner.Store.Free(u, age.Generation) {
			return &age, size, nil
		}
	}
	return nil, 0, kv.Refuse(kv.Busy, "gave up: %v", ctx.Err())
}

func (r *Router) matches(v kv.Value, u uid.UID) (bool, error) {
	sum := r.secret.Hash()
	defer sum.Close()
	err := kv.WriteChunks(sum, v)
	return sum.UID() == u, err
}
