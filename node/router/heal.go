package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// healPause is how long after a failed attempt a good copy is looked for again.
const healPause = time.Second

// Heal checks this node's copy of a value against its uid, and puts a good one from another
// owner in place of a bad one (§4.5). If none can be had the bad one is dropped all the
// same, as nobody must read it, and a good one is looked for until the context ends. It
// returns whether it dropped a bad one.
func (r *Router) Heal(ctx context.Context, u uid.UID) (dropped bool, err error) {
	for ctx.Err() == nil {
		age, size, err := r.bad(u)
		if age == nil || err != nil {
			return false, err
		}
		staged, _ := r.good(ctx, u, size) // nil: there is none for the moment
		if dropped, err := r.replace(ctx, u, age, staged, size); dropped {
			return true, err
		}
	}
	return false, kv.Refuse(kv.Busy, "gave up: %v", ctx.Err())
}

// replace puts a good copy in place of a bad one, or one that it looks for if there is none yet.
// What was looked at may be replaced meanwhile, by whoever heals it too or brings it anew: then
// nothing is dropped, and it is to be looked at again, so that no good copy is dropped.
func (r *Router) replace(ctx context.Context, u uid.UID, bad *store.Freeable, good *store.Staged, size int64) (dropped bool, err error) {
	defer r.owner.Healing.Begin(u.Slot())() // before it is dropped
	p := wire.Place{UID: u, Witness: bad.Witness}
	switch dropped = r.owner.Store.Free(u, bad.Generation); {
	case dropped && good != nil:
		r.owner.Install(p, good)
	case dropped:
		return true, r.restore(ctx, p, size)
	case good != nil:
		good.Discard()
	}
	return dropped, nil
}

// restore looks for a good copy of a value that was dropped until there is one, or somebody has
// brought the value anew.
func (r *Router) restore(ctx context.Context, p wire.Place, size int64) error {
	for {
		wait(ctx, healPause)
		if r.owner.Store.Has(p.UID) {
			return nil
		}
		staged, err := r.good(ctx, p.UID, size)
		if err == nil {
			r.owner.Install(p, staged)
			return nil
		}
		if ctx.Err() != nil || errors.Is(err, kv.ErrGone) {
			return fmt.Errorf("heal %s: %w", p.UID, err)
		}
	}
}

// bad tells what this node's copy of a value is if it is bad, else nil.
func (r *Router) bad(u uid.UID) (*store.Freeable, int64, error) {
	age, _ := r.owner.Store.Age(u)
	v := r.owner.Value(u)
	if v == nil {
		return nil, 0, nil
	}
	defer v.Close()
	if good, err := r.matches(v, u); err != nil || good {
		return nil, 0, err
	}
	return &age, v.Size(), nil
}

// good fetches a value from another owner.
func (r *Router) good(ctx context.Context, u uid.UID, size int64) (*store.Staged, error) {
	t, err := r.table()
	if err != nil {
		return nil, err
	}
	whole, err := r.fetch(ctx, t, &kv.Entry{UID: u, Size: size})
	if err != nil {
		return nil, err
	}
	defer whole.Close()
	return r.copyOf(whole)
}

func (r *Router) matches(v kv.Value, u uid.UID) (bool, error) {
	sum := r.secret.Hash()
	defer sum.Close()
	err := kv.WriteChunks(sum, v)
	return sum.UID() == u, err
}
