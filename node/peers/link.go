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
)

// link is the way to one incarnation of a member.
type link struct {
	member *layout.Member
	dialer *peer.Dialer
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // ends the dialling when the node stops

	conn atomic.Pointer[peer.Conn]

	mu      sync.Mutex // held while dialling for the first time: others wait for the result
	failed  error
	until   time.Time // no dialling before
	dialing bool      // in the background

	bulkMu sync.Mutex
	kept   []*peer.Bulk            // for the next body
	inUse  map[*peer.Bulk]struct{} // they end with the link
	closed bool

	before atomic.Bool // the member is of a version that knows less of copying

	since    atomic.Int64  // since when it is beaten for
	answered atomic.Int64  // when the last beat that was answered was sent; 0: none
	expected atomic.Int64  // since when it is to beat for this node
	heard    atomic.Int64  // when its last beat came; 0: never
	credit   atomic.Int64  // see wire.Pulse
	beatNow  chan struct{} // a beat is wanted at once
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

// connect returns the connection, a new one if need be. While a member that could not be
// reached is tried again, requests for it fail at once. Errors wrap peer.ErrNotSent.
func (l *link) connect() (*peer.Conn, error) {
	if c := l.live(); c != nil {
		return c, nil
	}
	l.mu.Lock()
	if l.failed != nil {
		defer l.mu.Unlock()
		l.redial()
		return nil, l.failed
	}
	defer l.mu.Unlock()
	if c := l.live(); c != nil {
		return c, nil
	}
	return l.dial()
}

// redial tries to reach a member that could not be reached, one attempt at a time.
func (l *link) redial() {
	if l.dialing || time.Now().Before(l.until) || l.isClosed() {
		return
	}
	l.dialing = true
	go func() {
		c, err := l.attempt()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dialing = false
		_, _ = l.landed(c, err) // who comes next finds it
	}()
}

// dial makes a connection while others wait for it.
func (l *link) dial() (*peer.Conn, error) {
	if l.isClosed() {
		return nil, errClosed
	}
	if c := l.conn.Swap(nil); c != nil {
		l.log.Warn("connection to peer lost", "peer", l.member.Name.String(), "error", c.Err())
	}
	c, err := l.attempt()
	return l.landed(c, err)
}

func (l *link) attempt() (*peer.Conn, error) {
	// The connection is for all who want one: it is not given up with the request that
	// happens to make it.
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	defer cancel()
	return l.dialer.Dial(ctx, l.member.Address, l.member.Incarnation)
}

// landed takes in what became of an attempt; the lock is held.
func (l *link) landed(c *peer.Conn, err error) (*peer.Conn, error) {
	if err != nil {
		l.failed, l.until = err, time.Now().Add(dialPause)
		return nil, err
	}
	l.failed = nil
	l.conn.Store(c)
	if l.isClosed() { // meanwhile, without having seen this one
		c.Close()
		return nil, errClosed
	}
	return c, nil
}

var errClosed = fmt.Errorf("%w: this node is stopping, or the member is none any more", peer.ErrNotSent)

func (l *link) isClosed() bool {
	l.bulkMu.Lock()
	defer l.bulkMu.Unlock()
	return l.closed
}

// close ends all connections, those that are in use as well: who waits for one that is no
// member any more asks somebody else.
func (l *link) close() {
	l.bulkMu.Lock()
	l.closed = true
	kept, inUse := l.kept, l.inUse
	l.kept, l.inUse = nil, nil
	l.bulkMu.Unlock()
	for _, b := range kept {
		b.Close()
	}
	for b := range inUse {
		go b.Close() // with TLS this says goodbye, and the other side may not read
	}
	if c := l.conn.Load(); c != nil {
		c.Close()
	}
}
