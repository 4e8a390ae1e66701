package node

import (
	"context"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/purge"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// What follows fits the node's parts to each other where one asks for less, or for
// something in other words, than another gives.

// entries is the store as the memory of the order of entries.
type entries struct{ *store.Store }

// Clear empties a slot that was given up: of entries, which may be old ones, and of values,
// so that all of its owners begin with the same ones.
func (e entries) Clear(slot uint8) {
	e.Store.Clear(slot)
	for after := (uid.UID{}); ; {
		uids := e.UIDs(slot, after, 512)
		if len(uids) == 0 {
			return
		}
		for _, u := range uids {
			e.Drop(u)
		}
		after = uids[len(uids)-1]
	}
}

// asker lets the reclaimer ask this node in the same way as others.
type asker struct {
	owner *owner.Owner
	peers *peers.Peers
}

func (a asker) Refs(ctx context.Context, m *layout.Member, refs []wire.Ref, epoch uint64) ([]int, error) {
	if m.Incarnation == a.owner.Self {
		answers, err := a.owner.Replica.Refers(refs, epoch, a.owner.Clock)
		return answers.Slots, err
	}
	return a.peers.Refs(ctx, m, refs, epoch)
}

func (a asker) Hints(ctx context.Context, m *layout.Member, uids []uid.UID) error {
	return a.peers.Hints(ctx, m, uids)
}

// holders lets the purger ask this node in the same way as others.
type holders struct {
	owner *owner.Owner
	peers *peers.Peers
}

func (h holders) Has(ctx context.Context, m *layout.Member, p wire.Place) (bool, error) {
	if m.Incarnation == h.owner.Self {
		return h.owner.Touch(p), nil
	}
	return h.peers.Touch(ctx, m, p)
}

func (h holders) Remove(ctx context.Context, slot uint8, key string, v kv.Version) error {
	return h.owner.Driver.Remove(ctx, slot, key, v)
}

type purgeMachine struct{ *replica.Machine }

func (m purgeMachine) Read(epoch uint64) (purge.Reading, error) { return m.Machine.Read(epoch) }
