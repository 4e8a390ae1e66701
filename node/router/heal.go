package router

import (
	"context"
	"fmt"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// Heal checks this node's copy of a value against its uid. A bad copy is dropped and
// fetched again from another owner (§4.5). It returns whether the copy was bad.
func (r *Router) Heal(ctx context.Context, u uid.UID) (bad bool, err error) {
	v := r.owner.Value(u)
	if v == nil {
		return false, nil
	}
	sum := r.secret.Hash()
	err = kv.WriteChunks(sum, v)
	good := sum.UID() == u
	size := v.Size()
	sum.Close()
	v.Close()
	if err != nil || good {
		return false, err
	}
	f, _ := r.owner.Store.Age(u)
	r.owner.Store.Drop(u)
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
