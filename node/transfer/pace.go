package transfer

import (
	"context"
	"sync"
	"time"
)

// pace makes those who copy wait so that no more bytes come in a second than the limit
// allows. It is asked before a request is sent, for what the reply may have: what was asked for
// and is on its way can't be held up. They wait in the order in which they came.
type pace struct {
	turn chan struct{} // has room for one: who has put something in is the next

	mu      sync.Mutex
	bucket  bucket
	changed chan struct{} // closed when the next one may have to wait for less
}

func newPace() *pace {
	return &pace{turn: make(chan struct{}, 1), changed: make(chan struct{})}
}

// SetLimit has at most so many bytes come in a second from now on; 0: any number.
func (p *pace) SetLimit(bytesPerSecond int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bucket.set(bytesPerSecond, time.Now())
	p.wake()
}

// Limit is the limit in bytes per second; 0: none.
func (p *pace) Limit() int64 {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bucket.limit
}

// Part is how many bytes to ask for at once, of those that one would ask for if there were no
// limit: a small part of a second's, so that they come evenly.
func (p *pace) Part(most int64) int64 {
	if limit := p.Limit(); limit > 0 {
		return max(min(limit/share, most), partMin)
	}
	return most
}

// partMin keeps progress where the limit is very low.
const partMin = 1 << 10

// Wait waits until so many bytes may come, and returns how many of them count: without a limit
// none. Its error is the context's.
func (p *pace) Wait(ctx context.Context, bytes int64) (waited int64, err error) {
	if p == nil {
		return 0, nil
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-p.turn }()
	for {
		p.mu.Lock()
		wait, changed, limit := p.bucket.take(bytes, time.Now()), p.changed, p.bucket.limit
		p.mu.Unlock()
		switch {
		case limit == 0:
			return 0, nil
		case wait == 0:
			return bytes, nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		}
	}
}

// Came tells how many bytes came of those that were waited for, or in spite of them: what was asked
// for before there was a limit counts when it comes.
func (p *pace) Came(waited, came int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bucket.correct(came-waited, time.Now())
	if came < waited {
		p.wake()
	}
}

func (p *pace) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}
