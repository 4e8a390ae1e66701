// Package router takes one request of a client through the owners of its key and its
// value. It is the kv.Backend of a node: any node answers for any key.
package router

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/routing"
)

// Router is a node's view of the whole cluster.
type Router struct {
	state   *member.State
	owner   *owner.Owner
	peers   *peers.Peers
	secret  *uid.Secret
	flights flights
	writes  atomic.Uint64
	began   time.Time // from when on refused requests count their time
}

// New returns the router of a node.
func New(state *member.State, o *owner.Owner, p *peers.Peers, secret *uid.Secret) *Router {
	return &Router{state: state, owner: o, peers: p, secret: secret, began: time.Now()}
}

// Close waits for what was fetched for clients that have gone. Nothing may be asked any more.
func (r *Router) Close() { r.flights.wg.Wait() }

// table returns the layout to act by. kv.ErrUnavailable if this node is in none, and did not
// retire from one: it does not know who owns what.
func (r *Router) table() (*layout.Table, error) {
	t := r.state.Table()
	if t == nil {
		return nil, kv.Refuse(kv.NoLayout, "this node has not heard of one yet")
	}
	if !r.state.Routes(t) {
		return nil, kv.Refuse(kv.NotMember, "this node is not in layout %d", t.Layout.Epoch)
	}
	return t, nil
}

// primary returns a slot's primary and whether it is this node.
func (r *Router) primary(t *layout.Table, slot uint8) (m *layout.Member, self bool, err error) {
	m = t.Owners(slot).Primary
	if m == nil {
		return nil, false, kv.Refuse(kv.NoPrimary, "slot %d has none", slot)
	}
	return m, m.Incarnation == r.owner.Self, nil
}

// retry runs a request until it ends for good.
func (r *Router) retry(ctx context.Context, view routing.About, do func(t *layout.Table) error) error {
	var retry routing.Retry
	for {
		t, err := r.table()
		if err != nil {
			return err
		}
		if err = do(t); err == nil || ctx.Err() != nil {
			return err
		}
		newer := r.newer(ctx, t, err)
		pause, err := retry.Next(err, view(t), newer, time.Since(r.began))
		if err != nil {
			return err
		}
		if pause > 0 {
			wait(ctx, pause)
		}
	}
}

// newer tells whether there is a newer layout than the one by which an attempt failed. If a member
// could not be reached one may come in a moment: the connections of who is no member any more end
// before the layout that says so is in use.
func (r *Router) newer(ctx context.Context, t *layout.Table, err error) bool {
	if kv.ReasonOf(err) == kv.Unreachable && r.state.Table() == t {
		wait(ctx, routing.MinPause)
	}
	return r.state.Table() != t
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
