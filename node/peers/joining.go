package peers

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// newcomer is a joining member that is to be an owner of slots whose primary this node is. It
// reaches this node, as it copies from it. That this node reaches it must be known before it is
// attached: from then on all requests for those slots need it.
type newcomer struct {
	stop     context.CancelFunc
	since    time.Duration // since when it is pinged
	answered atomic.Int64  // when the last ping that was answered was sent; 0: none
}

// newcomers are the joining members that are to be owners of slots whose primary this node is.
func newcomers(t *layout.Table, self layout.ID) map[layout.ID]*layout.Member {
	out := make(map[layout.ID]*layout.Member)
	mine := t.PrimaryOf(self)
	for i := range t.Layout.Members {
		m := &t.Layout.Members[i]
		if m.Phase == layout.Joining && covers(m.Name.Range, mine) {
			out[m.Incarnation] = m
		}
	}
	return out
}

func covers(r layout.Range, slots *[layout.Slots]bool) bool {
	for slot, is := range slots {
		if is && r.Contains(uint8(slot)) {
			return true
		}
	}
	return false
}

// meet pings the newcomers from now on, and nobody else who was one; the lock is held.
func (p *Peers) meet(newcomers map[layout.ID]*layout.Member) {
	for id, n := range p.joining {
		if newcomers[id] == nil {
			n.stop()
			delete(p.joining, id)
		}
	}
	for id, m := range newcomers {
		if p.joining[id] == nil && p.ctx.Err() == nil {
			ctx, stop := context.WithCancel(p.ctx)
			n := &newcomer{stop: stop, since: p.opt.Clock()}
			p.joining[id] = n
			p.wg.Go(func() { p.ping(ctx, m, n) })
		}
	}
}

// ping asks a newcomer for an answer, as often as backups are beaten for. It is no beat: an
// answered beat grants a lease, which only owners can.
func (p *Peers) ping(ctx context.Context, m *layout.Member, n *newcomer) {
	t := time.NewTicker(p.millis(beatEvery))
	defer t.Stop()
	for {
		sent := p.opt.Clock()
		if _, err := p.call(ctx, m, p.millis(beatLost), peer.OpPing, nil, nil); err == nil {
			n.answered.Store(int64(sent))
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Joining tells which members are to be owners of slots whose primary this node is by the newest
// layout, and whether it reaches them.
func (p *Peers) Joining() []peer.JoiningStatus {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []peer.JoiningStatus
	now := p.opt.Clock()
	for id, n := range p.joining {
		at := time.Duration(n.answered.Load())
		out = append(out, peer.JoiningStatus{
			Incarnation: id, Answered: at != 0, Silent: (now - max(at, n.since)).Milliseconds(),
		})
	}
	slices.SortFunc(out, func(a, b peer.JoiningStatus) int { return bytes.Compare(a.Incarnation[:], b.Incarnation[:]) })
	return out
}
