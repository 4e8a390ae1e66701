package roster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

const (
	// A node that is not ready is asked often for a while, as somebody waits for it.
	pollStarting = 200 * time.Millisecond
	starting     = 30 * time.Second
	// One that serves is asked so that its figures are fresh, and because the end of a
	// machine, other than that of a process, closes no connection.
	pollServing = 2 * time.Second

	minBackoff = 100 * time.Millisecond
	maxBackoff = 3 * time.Second
)

// link is the way to one pod. Its fields below the line belong to the roster's mutex.
type link struct {
	roster *Roster
	target Target
	cancel context.CancelFunc
	news   chan struct{} // there is a layout to hand over

	status *peer.Status
	err    error
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
			err = l.follow(ctx, conn)
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

// follow asks the node how it is, again and again, and gives it layouts. It returns
// when the connection is of no more use.
func (l *link) follow(ctx context.Context, conn *peer.Conn) error {
	changed := time.Now()
	for {
		status, err := peer.FetchStatus(ctx, conn)
		if err != nil {
			return err
		}
		if next := l.owes(&status); next != nil {
			epoch, err := peer.PushLayout(ctx, conn, next)
			if err != nil {
				return err
			}
			status.Cluster, status.Epoch = next.Cluster, epoch
			changed = time.Now()
		}
		l.said(&status)
		pause := pollServing
		if !status.Ready && time.Since(changed) < starting {
			pause = pollStarting
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Done():
			return conn.Err()
		case <-l.news:
		case <-time.After(pause):
		}
	}
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
	l.status, l.err = status, nil
	l.roster.mu.Unlock()
	if before == nil || before.Incarnation != status.Incarnation || before.Cluster != status.Cluster ||
		before.Epoch != status.Epoch || before.Phase != status.Phase || before.Ready != status.Ready || before.Reason != status.Reason {
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

// ErrSecret: the process does not have the cluster's secret.
var ErrSecret = errors.New("its secret is not the cluster's")

// strangerError: another node answers at the address.
type strangerError struct{ text string }

func (e *strangerError) Error() string { return e.text }

// plain says in the same few words, however often it happens, why a node does not
// answer: port numbers of failed connections would make each a news of its own.
func plain(err error) error {
	var stranger *strangerError
	var timeout net.Error
	switch {
	case errors.As(err, &stranger):
		return stranger
	case errors.Is(err, peer.ErrSecret):
		return ErrSecret
	case errors.Is(err, peer.ErrCluster):
		return errors.New("it belongs to another cluster")
	case errors.Is(err, peer.ErrProtocol):
		return errors.New("it does not speak this version's peer protocol")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.Is(err, peer.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return errors.New("no route to it")
	case errors.Is(err, peer.ErrNotSent), errors.Is(err, peer.ErrBroken), errors.Is(err, io.EOF):
		return errors.New("the connection broke")
	}
	return err
}
