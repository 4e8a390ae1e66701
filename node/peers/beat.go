package peers

import (
	"context"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

const (
	// beatEvery is how often a primary beats for a backup.
	beatEvery = 400 * time.Millisecond
	// beatLost is after how long without an answered beat a backup counts as lost: new
	// writes that need it are refused before they are ordered.
	beatLost = 1200 * time.Millisecond
)

var started = time.Now()

func sinceStart() int64 { return int64(time.Since(started)) + 1 }

// beat tells a backup the watermarks of its slots and learns that it is there and how
// much room it has.
func (p *Peers) beat(ctx context.Context, l *link) {
	var told [layout.Slots]kv.Version
	t := time.NewTicker(beatEvery)
	defer t.Stop()
	for {
		b := wire.Beat{Marks: p.opt.Marks(l.member.Incarnation, &told)}
		payload, err := p.call(ctx, l.member, beatLost, wire.OpBeat, b.Append(nil), nil)
		var pulse wire.Pulse
		if err == nil {
			pulse, err = wire.ParsePulse(payload)
		}
		if err == nil {
			l.credit.Store(pulse.Credit)
			l.beatAt.Store(sinceStart())
		} else {
			told = [layout.Slots]kv.Version{} // tell it all again
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Ready returns nil if a backup is there and has room for one more entry whose key and
// content type have so many bytes; the room is then taken.
func (p *Peers) Ready(m *layout.Member, bytes int64) error {
	l := p.link(m)
	if l.live() == nil || time.Duration(sinceStart()-l.beatAt.Load()) > beatLost || l.beatAt.Load() == 0 {
		return kv.Unavailable("%s, an owner of the key, is not reachable", m.Name)
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
		if l := p.links[id]; l != nil && l.beatAt.Load() == 0 {
			return false
		}
	}
	return true
}
