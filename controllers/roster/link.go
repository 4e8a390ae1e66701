package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 3 * time.Second
)

// link is the way to one pod. What stands below the line belongs to the roster's mutex.
type link struct {
	roster *Roster
	target Target
	cancel context.CancelFunc
	news   chan struct{} // the node is to be asked at once

	conn    *peer.Conn // nil: there is none
	status  *peer.Status
	heard   time.Time // when it said that
	changed time.Time // when it last said something else
	err     error
}

func (l *link) nudge() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

// run keeps a connection to the pod until ctx ends.
func (l *link) run(ctx context.Context) {
	backoff := minBackoff
	for ctx.Err() == nil {
		conn, err := l.dial(ctx)
		if err == nil {
			began := time.Now()
			l.use(conn)
			err = l.follow(ctx, conn)
			l.use(nil)
			conn.Close()
			if time.Since(began) > maxBackoff {
				backoff = minBackoff
			}
		}
		if ctx.Err() != nil {
			return
		}
		l.lost(err)
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// dial connects. Pods' addresses are used again, so who answers must say the right name.
func (l *link) dial(ctx context.Context) (*peer.Conn, error) {
	conn, err := l.roster.dialer.Dial(ctx, l.target.Address(), layout.ID{})
	if err != nil {
		return nil, err
	}
	if name := conn.Remote().Name; name != l.target.Name.String() {
		conn.Close()
		return nil, &strangerError{fmt.Sprintf("%s answers at %s, the address of %s", name, l.target.Address(), l.target.Name)}
	}
	return conn, nil
}

func (l *link) use(conn *peer.Conn) {
	l.roster.mu.Lock()
	defer l.roster.mu.Unlock()
	l.conn = conn
}

// follow asks the node how it is, again and again, has a word from it in between, and
// gives it settings and layouts. It returns when the connection is of no more use.
func (l *link) follow(ctx context.Context, conn *peer.Conn) error {
	due := time.Now()
	var told *peer.Settings
	for {
		// Before any layout: copying begins with one.
		var err error
		if told, err = l.configure(ctx, conn, told); err != nil {
			return err
		}
		if now := time.Now(); now.Before(due) {
			err = ping(ctx, conn)
		} else if err = l.refresh(ctx, conn); err == nil {
			due = now.Add(l.pace(now))
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Done():
			return conn.Err()
		case <-l.news:
			due = time.Now()
		case <-time.After(min(time.Until(due), pingEvery)):
		}
	}
}

// ping asks for a word. None in time is no error: the connection gives up by itself, and
// an answer that is late is one all the same.
func ping(ctx context.Context, conn *peer.Conn) error {
	_, err := conn.Call(ctx, pingTimeout, peer.OpPing, 0, nil, nil)
	if errors.Is(err, peer.ErrTimeout) {
		return nil
	}
	return err
}

// refresh asks how the node is, and hands it the newest layout if it has an older one.
func (l *link) refresh(ctx context.Context, conn *peer.Conn) error {
	status, err := peer.FetchStatus(ctx, conn)
	if err != nil {
		return err
	}
	if next := l.owes(&status); next != nil {
		if _, err := peer.PushLayout(ctx, conn, next); err != nil {
			return err
		}
		// What it makes of it is more than its epoch.
		if status, err = peer.FetchStatus(ctx, conn); err != nil {
			return err
		}
	}
	l.said(&status)
	return nil
}

// owes returns the layout that the node should hear of, nil if it has it.
func (l *link) owes(status *peer.Status) *layout.Layout {
	l.roster.mu.Lock()
	defer l.roster.mu.Unlock()
	if next := l.roster.durable; next != nil && status.Epoch < next.Epoch {
		return next
	}
	return nil
}

// said keeps what the node said and wakes the waiting if it is more than figures.
func (l *link) said(status *peer.Status) {
	l.roster.mu.Lock()
	before := l.status
	news := isNews(before, status)
	if news || before.CopyBytesLeft != status.CopyBytesLeft || before.SlotsComplete != status.SlotsComplete {
		l.changed = time.Now()
	}
	l.status, l.heard, l.err = status, time.Now(), nil
	l.roster.mu.Unlock()
	if news {
		l.roster.wake()
	}
}

// lost keeps why the node does not answer, and wakes the waiting if it did, or if it is
// another reason than before.
func (l *link) lost(err error) {
	err = plain(err)
	l.roster.mu.Lock()
	answered, same := l.status != nil, l.err != nil && l.err.Error() == err.Error()
	l.status, l.err = nil, err
	l.roster.mu.Unlock()
	if answered || !same {
		l.roster.wake()
	}
}

// sight is what is known of the target. One that has been silent for too long does not
// count as answering any more, though its connection is still there: what it said last is
// of the past.
func (l *link) sight() Sight {
	s := Sight{Target: l.target, Status: l.status, Err: l.err}
	switch {
	case l.status == nil:
	case l.roster.silence.suspect[l.status.Incarnation]:
		s.Status, s.Err = nil, errSilent
	default:
		s.Answering, s.Age = l.roster.silence.answering(l.status.Incarnation), time.Since(l.heard)
	}
	return s
}

// speaker is who answers on the connection.
func (l *link) speaker() layout.ID {
	if l.status != nil {
		return l.status.Incarnation
	}
	return l.conn.Remote().Incarnation
}
