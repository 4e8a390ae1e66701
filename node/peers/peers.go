// Package peers is a node's way to the other members: connections, the requests of
// node/wire as calls, who is reachable, and the answers to what others ask. It follows
// the layouts: whoever of two nodes has the older one gets the newer one (R3).
package peers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/wire"
)

const (
	readTimeout  = 2 * time.Second // of requests that only look something up
	placeTimeout = 5 * time.Second // of requests that bring a value
	// orderTimeout is longer than a primary's own, so that its answer comes first.
	orderTimeout = 6 * time.Second
)

// Observer is told of each call to a peer, for the metrics.
type Observer interface {
	PeerCall(op string, err error, took time.Duration)
}

// Peers reaches the other members. It is safe for concurrent use.
type Peers struct {
	state  *member.State
	dialer *peer.Dialer
	opt    Options

	mu       sync.RWMutex
	links    map[layout.ID]*link
	beats    map[layout.ID]context.CancelFunc
	expected map[layout.ID]*layout.Member // those who are to beat for this node
	joining  map[layout.ID]*newcomer

	ctx    context.Context //nolint:containedctx // ends the beats when the node stops
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New returns the Peers of a node; it follows the layouts that the state adopts.
func New(state *member.State, dialer *peer.Dialer, opt Options) *Peers {
	p := &Peers{
		state: state, dialer: dialer, opt: opt,
		links: make(map[layout.ID]*link), beats: make(map[layout.ID]context.CancelFunc),
		joining: make(map[layout.ID]*newcomer),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Close ends all connections.
func (p *Peers) Close() {
	p.cancel()
	p.mu.Lock()
	for _, l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// Adopt closes the ways to those who are no members any more, and starts beating for
// those who are backups of this node's slots and pinging those who are to be.
func (p *Peers) Adopt(t *layout.Table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, l := range p.links {
		if t.Member(id) == nil {
			l.close()
			delete(p.links, id)
		}
	}
	backups, primaries := partners(t, p.state.Incarnation())
	for id, m := range primaries {
		if l := p.linkLocked(m); p.expected[id] == nil {
			l.expected.Store(int64(p.opt.Clock()))
		}
	}
	p.expected = primaries
	for id, stop := range p.beats {
		if backups[id] == nil {
			stop()
			delete(p.beats, id)
		}
	}
	for id, m := range backups {
		if p.beats[id] == nil && p.ctx.Err() == nil {
			ctx, stop := context.WithCancel(p.ctx)
			p.beats[id] = stop
			l := p.linkLocked(m)
			l.since.Store(int64(p.opt.Clock()))
			p.wg.Go(func() { p.beat(ctx, l) })
		}
	}
	p.meet(newcomers(t, p.state.Incarnation()))
}

// partners are the members that must acknowledge writes of this node's slots, and those
// whose writes this node must acknowledge.
func partners(t *layout.Table, self layout.ID) (backups, primaries map[layout.ID]*layout.Member) {
	backups, primaries = make(map[layout.ID]*layout.Member), make(map[layout.ID]*layout.Member)
	for s := range layout.Slots {
		o := t.Owners(uint8(s))
		if o.Primary == nil {
			continue
		}
		mine := o.Primary.Incarnation == self
		for _, m := range o.Ack {
			switch {
			case mine && m.Incarnation != self:
				backups[m.Incarnation] = m
			case !mine && m.Incarnation == self:
				primaries[o.Primary.Incarnation] = o.Primary
			}
		}
	}
	return backups, primaries
}

func (p *Peers) link(m *layout.Member) *link {
	p.mu.RLock()
	l := p.links[m.Incarnation]
	p.mu.RUnlock()
	if l != nil {
		return l
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.linkLocked(m)
}

func (p *Peers) linkLocked(m *layout.Member) *link {
	l := p.links[m.Incarnation]
	if l == nil {
		l = &link{member: m, dialer: p.dialer, log: p.opt.Log, ctx: p.ctx, beatNow: make(chan struct{}, 1)}
		if p.ctx.Err() != nil {
			l.closed = true
		}
		p.links[m.Incarnation] = l
	}
	return l
}

// Reachable tells whether a member answers; known is false if it was not asked of late.
func (p *Peers) Reachable(m *layout.Member) (reachable, known bool) {
	p.mu.RLock()
	l := p.links[m.Incarnation]
	p.mu.RUnlock()
	if l == nil {
		return false, false
	}
	if l.live() != nil {
		return true, true
	}
	// The author does not wait for this node's status while a third one is dialled.
	if !l.mu.TryLock() {
		return false, false
	}
	defer l.mu.Unlock()
	return false, l.failed != nil
}

// call sends a request at the newest epoch and brings the two nodes to one layout if
// they had different ones. Errors wrap those of kv, or are ErrMoved or kv.ErrGone.
func (p *Peers) call(ctx context.Context, m *layout.Member, timeout time.Duration, op peer.Op, a, b []byte) ([]byte, error) {
	start := time.Now()
	payload, err := p.ask(ctx, m, timeout, op, p.state.Epoch, a, b)
	p.opt.Observer.PeerCall(opName(op), err, time.Since(start))
	return payload, err
}

// callAt is call for what is only meant by the layout of one epoch.
func (p *Peers) callAt(ctx context.Context, m *layout.Member, timeout time.Duration, op peer.Op, epoch uint64, a []byte) ([]byte, error) {
	start := time.Now()
	payload, err := p.ask(ctx, m, timeout, op, func() uint64 { return epoch }, a, nil)
	p.opt.Observer.PeerCall(opName(op), err, time.Since(start))
	return payload, err
}

func (p *Peers) ask(ctx context.Context, m *layout.Member, timeout time.Duration, op peer.Op, epoch func() uint64, a, b []byte) ([]byte, error) {
	c, err := p.link(m).connect()
	if err != nil {
		return nil, p.left(m, failed(m, op, err))
	}
	for range 3 {
		r, err := c.Call(ctx, timeout, op, epoch(), a, b)
		if err != nil {
			return nil, p.left(m, failed(m, op, err))
		}
		switch r.Code {
		case peer.CodeOK:
			return r.Payload, nil
		case peer.CodeNeedLayout:
			t := p.state.Table()
			if _, err := peer.PushLayout(ctx, c, t.Layout); err != nil {
				return nil, fmt.Errorf("%w: %w", kv.ErrUnavailable, err)
			}
		case peer.CodeStale:
			return nil, p.adopt(r.Payload)
		default:
			return nil, refused(m, r)
		}
	}
	return nil, kv.Refuse(kv.Unreachable, "%s does not take over layout %d", m.Name, p.state.Epoch())
}

// adopt takes over a newer layout that a peer sent instead of an answer.
func (p *Peers) adopt(b []byte) error {
	l, err := layout.Decode(b)
	if err == nil {
		err = p.state.Adopt(l)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", kv.ErrUnavailable, err)
	}
	return ErrMoved
}

// Gather asks a member for its unsettled operations.
func (p *Peers) Gather(ctx context.Context, m *layout.Member, q *wire.Gather) (wire.Gathered, error) {
	b, err := p.call(ctx, m, readTimeout, wire.OpGather, q.Append(nil), nil)
	if err != nil {
		return wire.Gathered{}, err
	}
	g, err := wire.ParseGathered(b)
	if err == nil && g.Slots > len(q.Slots) {
		err = wire.ErrMalformed
	}
	for i := range g.Ops {
		if err == nil && p.opt.Secret.KeySlot(g.Ops[i].Entry.Key) != g.Ops[i].Slot {
			err = wire.ErrMalformed
		}
	}
	if err != nil {
		return wire.Gathered{}, malformed(m, wire.OpGather, err)
	}
	return g, nil
}

var opNames = map[peer.Op]string{
	wire.OpLookup: "lookup", wire.OpOrder: "order", wire.OpReplicate: "replicate", wire.OpPlace: "place",
	wire.OpTouch: "touch", wire.OpValue: "value", wire.OpList: "list", wire.OpRefs: "refs", wire.OpHints: "hints",
	wire.OpBeat: "beat", wire.OpSuspect: "suspect", wire.OpGather: "gather",
	wire.OpEntries: "entries", wire.OpUIDs: "uids", wire.OpFetch: "fetch", peer.OpPing: "ping",
	wire.OpSomeEntries: "entries", wire.OpSomeUIDs: "uids", wire.OpCopy: "fetch",
}

func opName(op peer.Op) string { return opNames[op] }

// Operations returns the names of all that an Observer may be told of.
func Operations() []string { return slices.Compact(slices.Sorted(maps.Values(opNames))) }
