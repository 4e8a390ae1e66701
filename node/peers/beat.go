package peers

import (
	"context"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

const (
	// beatEvery is how often a primary beats for a backup, in thousandths of a second.
	beatEvery = 400
	// beatLost is after how many thousandths of a second without an answered beat a backup
	// counts as lost: new writes that need it are refused before they are ordered.
	beatLost = 1200
)

func (p *Peers) millis(n int) time.Duration { return time.Duration(n) * p.opt.Second / 1000 }

// beat tells a backup the watermarks of its slots, is granted a lease by its answer, and
// learns that it is there and how much room it has.
func (p *Peers) beat(ctx context.Context, l *link) {
	var told [layout.Slots]kv.Version
	t := time.NewTicker(p.millis(beatEvery))
	defer t.Stop()
	for {
		if !p.beatOnce(ctx, l, &told) {
			told = [layout.Slots]kv.Version{} // tell it all again
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-l.beatNow:
		}
	}
}

func (p *Peers) beatOnce(ctx context.Context, l *link, told *[layout.Slots]kv.Version) bool {
	sent := p.opt.Clock() // the lease counts from here (F8)
	b := wire.Beat{Marks: p.opt.Marks(l.member.Incarnation, told)}
	payload, err := p.call(ctx, l.member, p.millis(beatLost), wire.OpBeat, b.Append(nil), nil)
	var pulse wire.Pulse
	if err == nil {
		pulse, err = wire.ParsePulse(payload)
	}
	if err != nil {
		return false
	}
	l.credit.Store(pulse.Credit)
	l.answered.Store(int64(sent))
	p.opt.Granted(l.member.Incarnation, pulse.Epoch, sent)
	return true
}

// BeatSoon has a beat sent to each backup without waiting for its time: leases of a new
// view, and its watermarks, are wanted at once.
func (p *Peers) BeatSoon() {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id := range p.beats {
		select {
		case p.links[id].beatNow <- struct{}{}:
		default:
		}
	}
}

// Ready returns nil if a backup is there and has room for one more entry whose key and
// content type have so many bytes; the room is then taken.
func (p *Peers) Ready(m *layout.Member, bytes int64) error {
	l := p.link(m)
	if at := l.answered.Load(); l.live() == nil || at == 0 || p.opt.Clock()-time.Duration(at) > p.millis(beatLost) {
		return kv.Refuse(kv.OwnerLost, "%s, an owner of the key, is not reachable", m.Name)
	}
	if l.credit.Add(-bytes-entryOverhead) < 0 {
		return noMemoryAt(m)
	}
	return nil
}

// entryOverhead is about what an entry takes besides its key and content type.
const entryOverhead = 200

// Contacted tells whether every backup of this node's slots has answered once.
func (p *Peers) Contacted() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for id := range p.beats {
		if l := p.links[id]; l != nil && l.answered.Load() == 0 {
			return false
		}
	}
	return true
}

// Heard notes a sign of life of a member that beats for this node.
func (p *Peers) Heard(id layout.ID) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if l := p.links[id]; l != nil {
		l.heard.Store(int64(p.opt.Clock()))
	}
}

// Sights tells for how long the members have been silent that this node exchanges beats
// with by the newest layout. Of those that it beats for, only answers count: what it sends
// must arrive.
func (p *Peers) Sights() []peer.PeerStatus {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var out []peer.PeerStatus
	now := p.opt.Clock()
	for id, l := range p.links {
		at := max(l.answered.Load(), l.since.Load())
		if p.beats[id] == nil {
			if p.expected[id] == nil || l.heard.Load() == 0 {
				continue
			}
			at = max(l.heard.Load(), l.expected.Load())
		}
		out = append(out, peer.PeerStatus{Incarnation: id, Silent: (now - time.Duration(at)).Milliseconds()})
	}
	return out
}
