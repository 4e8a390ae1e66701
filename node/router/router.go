// Package router takes one request of a client through the owners of its key and its
// value. It is the kv.Backend of a node: any node answers for any key.
package router

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/replica"
)

// attempts is how often a request starts again after a definite refusal that only a fresh start
// may cure: the value was replaced while it was fetched; the ticket expired, for which there is
// patience, too. What may have been executed is never tried again (F22).
const attempts = 4

// patience is for how long a request waits for a slot's new primary, and pause how long
// between two questions, at first and at last.
const (
	patience           = time.Second
	minPause, maxPause = 5 * time.Millisecond, 50 * time.Millisecond
)

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

// moved tells whether an error says that the slot is about to have, or has, another
// primary: nothing was done, and in a moment it may be.
func moved(err error) bool {
	reason := kv.ReasonOf(err)
	return reason == kv.Moved || reason == kv.TakingOver
}

// again tells whether an error is a definite refusal that a fresh start may cure.
func again(err error) bool { return errors.Is(err, replica.ErrTicket) || errors.Is(err, peers.ErrGone) }

// retry runs a request until it ends for good.
func (r *Router) retry(ctx context.Context, do func(t *layout.Table) error) error {
	var waited waiting
	pause := minPause
	for fresh := 0; ; {
		t, err := r.table()
		if err != nil {
			return err
		}
		err = do(t)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case again(err):
			fresh++
			switch expired := waited.tooLong(t) || errors.Is(err, peers.ErrGone); {
			case fresh >= attempts && expired:
				return kv.Refuse(kv.Busy, "%v, after %d attempts", err, fresh)
			case fresh == 1:
				continue
			}
			// Not even a fresh ticket will do: this node is about to learn of other owners.
		case !moved(err):
			if !r.superseded(ctx, t, err) || waited.tooLong(t) {
				return err
			}
		case waited.tooLong(t):
			return err
		}
		if r.state.Table() == t { // nothing has changed yet
			wait(ctx, pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// waiting is for how long a request has been refused by one layout. What it took before,
// such as a large value that was placed, is no waiting, and by a newer layout it begins anew.
type waiting struct {
	by    *layout.Table
	since time.Time
}

// tooLong takes in that an attempt by a layout was refused.
func (w *waiting) tooLong(t *layout.Table) bool {
	if w.by != t {
		w.by, w.since = t, time.Now()
	}
	return time.Since(w.since) > patience
}

// superseded tells whether a member could not be reached that is none any more: its connections
// end a moment before the layout that says so is in use.
func (r *Router) superseded(ctx context.Context, t *layout.Table, err error) bool {
	if kv.ReasonOf(err) != kv.Unreachable {
		return false
	}
	if r.state.Table() == t {
		wait(ctx, minPause)
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
