// Package router takes one request of a client through the owners of its key and its
// value. It is the kv.Backend of a node: any node answers for any key.
package router

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/replica"
)

// attempts bounds how often a request starts again after a definite refusal: the
// owners changed, the ticket expired, the value was replaced while it was fetched.
// What may have been executed is never tried again (F22).
const attempts = 4

// Router is a node's view of the whole cluster.
type Router struct {
	state   *member.State
	owner   *owner.Owner
	peers   *peers.Peers
	secret  *uid.Secret
	flights flights
	writes  atomic.Uint64
}

// New returns the router of a node.
func New(state *member.State, o *owner.Owner, p *peers.Peers, secret *uid.Secret) *Router {
	return &Router{state: state, owner: o, peers: p, secret: secret}
}

// table returns the layout to act by. kv.ErrUnavailable if this node is in none: it
// does not know who owns what.
func (r *Router) table() (*layout.Table, error) {
	t := r.state.Table()
	if t == nil {
		return nil, kv.Unavailable("this node has no layout yet")
	}
	if t.Member(r.state.Incarnation()) == nil {
		return nil, kv.Unavailable("this node is not in layout %d", t.Layout.Epoch)
	}
	return t, nil
}

// primary returns a slot's primary and whether it is this node.
func (r *Router) primary(t *layout.Table, slot uint8) (m *layout.Member, self bool, err error) {
	m = t.Owners(slot).Primary
	if m == nil {
		return nil, false, kv.Unavailable("slot %d has no primary", slot)
	}
	return m, m.Incarnation == r.owner.Self, nil
}

// again tells whether an error is a definite refusal that a fresh start may cure.
func again(err error) bool {
	return errors.Is(err, peers.ErrMoved) || errors.Is(err, replica.ErrTicket) || errors.Is(err, peers.ErrGone)
}

// retry runs a request until it ends for good.
func (r *Router) retry(ctx context.Context, do func(t *layout.Table) error) error {
	var err error
	for range attempts {
		t, terr := r.table()
		if terr != nil {
			return terr
		}
		if err = do(t); !again(err) || ctx.Err() != nil {
			break
		}
	}
	if again(err) && !errors.Is(err, kv.ErrUnavailable) {
		err = kv.Unavailable("%v, after %d attempts", err, attempts)
	}
	return err
}
