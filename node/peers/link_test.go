package peers

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// gated is a link whose attempts to connect stand still, once a connection is there, until
// the gate is opened.
type gated struct {
	*link
	attempts atomic.Int64
	gate     chan struct{}
}

func newGated(t *testing.T, address string, id layout.ID) *gated {
	g := &gated{gate: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	g.link = &link{
		member: &layout.Member{Address: address, Incarnation: id}, log: slog.New(slog.DiscardHandler), ctx: ctx,
		dialer: &peer.Dialer{Key: secret.PeerKey(), Self: func() peer.Hello {
			g.attempts.Add(1)
			<-g.gate
			return peer.Hello{}
		}},
	}
	return g
}

// fails makes the next attempt of a link fail at once.
func (g *gated) fails(t *testing.T) {
	t.Helper()
	right := g.member
	g.member = &layout.Member{Address: "127.0.0.1:1", Incarnation: right.Incarnation}
	_, err := g.connect()
	is(t, err, peer.ErrNotSent)
	g.member = right
}

// due lets the pause be over that follows a failed attempt.
func (g *gated) due() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Now().Add(-1)
}

// isDialing tells whether there is an attempt in the background.
func (g *gated) isDialing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dialing
}

func (g *gated) attempted(t *testing.T, n int64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); g.attempts.Load() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d attempts, want %d", g.attempts.Load(), n)
		}
	}
}

// While a member that could not be reached is tried again, requests for it fail at once,
// and there is one attempt, however many they are.
func TestTriedAgainInTheBackground(t *testing.T) {
	o := newOther(t)
	g := newGated(t, o.address, o.id)
	g.fails(t)
	for range 10 { // the pause
		_, err := g.connect()
		is(t, err, peer.ErrNotSent)
	}
	if g.isDialing() {
		t.Error("it is tried again at once")
	}
	g.due()
	for range 10 { // each of these would wait until the gate is opened
		_, err := g.connect()
		is(t, err, peer.ErrNotSent)
	}
	g.attempted(t, 1)
	if _, err := g.takeBulk(t.Context(), false); err == nil {
		t.Error("a body is sent to one that can't be reached")
	}
	close(g.gate)
	for end := time.Now().Add(10 * time.Second); g.live() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not reached though it is there")
		}
	}
	c, err := g.connect()
	if err != nil || c != g.live() || g.attempts.Load() != 1 {
		t.Fatalf("%v after %d attempts", err, g.attempts.Load())
	}
	c.Close() // whoever asks next waits for a new one: it was there a moment ago
	<-c.Done()
	if c, err = g.connect(); err != nil || c != g.live() {
		t.Errorf("after the connection broke: %v", err)
	}
	g.close()
}

// A failed attempt in the background is followed by a pause and another attempt.
func TestTriedAgainAndAgain(t *testing.T) {
	o := newOther(t)
	g := newGated(t, o.address, layout.ID{5}) // nobody has this incarnation any more
	close(g.gate)
	g.fails(t)
	for n := range int64(3) {
		g.due()
		_, err := g.connect()
		is(t, err, peer.ErrNotSent)
		g.attempted(t, n+1)
		for g.isDialing() {
			time.Sleep(time.Millisecond)
		}
		_, err = g.connect()
		is(t, err, peer.ErrNotSent)
		if got := g.attempts.Load(); got != n+1 {
			t.Errorf("%d attempts: there was no pause", got)
		}
	}
	g.close()
}

// A connection that comes up in the background after its member was given up is not left.
func TestClosedWhileTriedAgain(t *testing.T) {
	o := newOther(t)
	g := newGated(t, o.address, o.id)
	g.fails(t)
	g.due()
	_, err := g.connect()
	is(t, err, peer.ErrNotSent)
	g.attempted(t, 1)
	g.close()
	close(g.gate)
	for end := time.Now().Add(10 * time.Second); g.isDialing(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the attempt does not end")
		}
	}
	if g.live() != nil {
		t.Error("the connection is left")
	}
	g.due()
	_, err = g.connect()
	is(t, err, peer.ErrNotSent)
	g.attempted(t, 1)
}

// Whoever asks how this node is does not wait until it has reached a third one.
func TestReachableDoesNotWait(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	reachable := func(want, wantKnown bool) {
		t.Helper()
		if got, known := p.Reachable(m); got != want || known != wantKnown {
			t.Errorf("reachable %v, known %v", got, known)
		}
	}
	reachable(false, false)
	g := newGated(t, o.address, o.id)
	p.mu.Lock()
	p.links[m.Incarnation] = g.link
	p.mu.Unlock()
	done := make(chan error)
	go func() { done <- p.Place(t.Context(), m, wire.Place{}, nil) }()
	g.attempted(t, 1)
	reachable(false, false)
	close(g.gate)
	is(t, <-done, nil)
	reachable(true, true)
	o.stop()
	for g.live() != nil {
		time.Sleep(time.Millisecond)
	}
	is(t, p.Place(t.Context(), m, wire.Place{}, nil), kv.ErrUnavailable)
	reachable(false, true)
}
