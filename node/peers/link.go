package peers

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

const (
	// dialPause is how long a member that could not be reached is left alone: requests
	// for it fail at once meanwhile.
	dialPause = 250 * time.Millisecond
	// dialTimeout bounds how long a request waits for a connection.
	dialTimeout = time.Second
	// maxIdleBulk is how many connections for bodies are kept for the next body.
	maxIdleBulk = 32
)

// link is the way to one incarnation of a member.
type link struct {
	member *layout.Member
	dialer *peer.Dialer
	log    *slog.Logger

	conn atomic.Pointer[peer.Conn]

	mu     sync.Mutex // held while dialling: others wait for the result
	failed error
	until  time.Time // no dialling before

	bulkMu sync.Mutex
	bulk   []*peer.Bulk
	closed bool

	beatAt atomic.Int64 // when the last beat was answered, nanoseconds since start
	credit atomic.Int64 // see wire.Pulse
}

// live returns the connection if there is one.
func (l *link) live() *peer.Conn {
	c := l.conn.Load()
	if c == nil {
		return nil
	}
	select {
	case <-c.Done():
		return nil
	default:
		return c
	}
}

// connect returns the connection, a new one if need be. Errors wrap peer.ErrNotSent.
func (l *link) connect(ctx context.Context) (*peer.Conn, error) {
	if c := l.live(); c != nil {
		return c, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.live(); c != nil {
		return c, nil
	}
	if err := l.paused(); err != nil {
		return nil, err
	}
	if c := l.conn.Swap(nil); c != nil {
		l.log.Warn("connection to peer lost", "peer", l.member.Name.String(), "error", c.Err())
	}
	// The connection is for all who want one: it is not given up with the request that
	// happens to make it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTimeout)
	defer cancel()
	c, err := l.dialer.Dial(ctx, l.member.Address, l.member.Incarnation)
	if err != nil {
		l.failed, l.until = err, time.Now().Add(dialPause)
		return nil, err
	}
	l.conn.Store(c)
	if l.isClosed() { // meanwhile, without having seen this one
		c.Close()
		return nil, l.paused()
	}
	return c, nil
}

func (l *link) paused() error {
	if l.isClosed() {
		return fmt.Errorf("%w: this node is stopping", peer.ErrNotSent)
	}
	if l.failed != nil && time.Now().Before(l.until) {
		return l.failed
	}
	return nil
}

func (l *link) isClosed() bool {
	l.bulkMu.Lock()
	defer l.bulkMu.Unlock()
	return l.closed
}

// takeBulk returns a connection for one body; a fresh one was not used before.
func (l *link) takeBulk(ctx context.Context, fresh bool) (*peer.Bulk, error) {
	l.bulkMu.Lock()
	if n := len(l.bulk); n > 0 && !fresh {
		b := l.bulk[n-1]
		l.bulk = l.bulk[:n-1]
		l.bulkMu.Unlock()
		return b, nil
	}
	l.bulkMu.Unlock()
	// The small connection knows whether the member is there, and fails fast if not.
	if _, err := l.connect(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return l.dialer.DialBulk(ctx, l.member.Address, l.member.Incarnation)
}

// giveBulk takes a connection back if it is fit for another body.
func (l *link) giveBulk(b *peer.Bulk) {
	l.bulkMu.Lock()
	if !l.closed && b.Reusable() && len(l.bulk) < maxIdleBulk {
		l.bulk = append(l.bulk, b)
		b = nil
	}
	l.bulkMu.Unlock()
	if b != nil {
		b.Close()
	}
}

func (l *link) close() {
	l.bulkMu.Lock()
	l.closed = true
	bulk := l.bulk
	l.bulk = nil
	l.bulkMu.Unlock()
	for _, b := range bulk {
		b.Close()
	}
	if c := l.conn.Load(); c != nil {
		c.Close()
	}
}
