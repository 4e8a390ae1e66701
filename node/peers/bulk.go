package peers

import (
	"context"

	"github.com/eiri/seppen/api/peer"
)

// maxIdleBulk is how many connections for bodies are kept for the next body.
const maxIdleBulk = 32

// takeBulk returns a connection for one body, which ends with the link. A fresh one was not
// used before. It goes back by giveBulk or dropBulk.
func (l *link) takeBulk(ctx context.Context, fresh bool) (*peer.Bulk, error) {
	// The small connection knows whether the member is there, and fails fast if not. A kept
	// connection does not: whoever asks on it may wait for long.
	if _, err := l.connect(); err != nil {
		return nil, err
	}
	if !fresh {
		if b := l.takeKept(); b != nil {
			return b, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	b, err := l.dialer.DialBulk(ctx, l.member.Address, l.member.Incarnation)
	if err != nil {
		return nil, err
	}
	l.bulkMu.Lock()
	defer l.bulkMu.Unlock()
	if l.closed { // meanwhile, without having seen this one
		b.Close()
		return nil, errClosed
	}
	l.use(b)
	return b, nil
}

func (l *link) takeKept() *peer.Bulk {
	l.bulkMu.Lock()
	defer l.bulkMu.Unlock()
	n := len(l.kept)
	if n == 0 {
		return nil
	}
	b := l.kept[n-1]
	l.kept = l.kept[:n-1]
	l.use(b)
	return b
}

// use notes a connection that is in use; the lock is held.
func (l *link) use(b *peer.Bulk) {
	if l.inUse == nil {
		l.inUse = make(map[*peer.Bulk]struct{})
	}
	l.inUse[b] = struct{}{}
}

// giveBulk takes a connection back, and keeps it if it is fit for another body.
func (l *link) giveBulk(b *peer.Bulk) {
	l.bulkMu.Lock()
	defer l.bulkMu.Unlock()
	delete(l.inUse, b)
	if l.closed || !b.Reusable() || len(l.kept) == maxIdleBulk {
		b.Close()
		return
	}
	l.kept = append(l.kept, b)
}

// dropBulk takes a connection back that is of no more use.
func (l *link) dropBulk(b *peer.Bulk) {
	l.detach(b)
	b.Close()
}

// detach lets a connection in use outlive the link.
func (l *link) detach(b *peer.Bulk) {
	l.bulkMu.Lock()
	defer l.bulkMu.Unlock()
	delete(l.inUse, b)
}
