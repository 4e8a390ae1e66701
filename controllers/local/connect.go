package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

const (
	dialPause = 20 * time.Millisecond
	// patience is how often somebody else's answer is taken for an accident, such as a
	// child that dies in the middle of a handshake, which its end will explain better.
	patience = 25
)

// errStranger: the peer port is answered by something that is not our child.
var errStranger = errors.New("is answered by somebody else: does another cluster run there? Choose other ports with --port")

// connect dials a node's peer port until the node answers, and returns the connection
// and what the node says of itself. It gives up when the process or ctx ends, with
// nil, or when a stranger keeps answering, with errStranger.
func connect(ctx context.Context, d *peer.Dialer, p *process, name, address string) (*peer.Conn, peer.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	strangers := 0
	for pause := dialPause; ctx.Err() == nil; pause = min(2*pause, time.Second) {
		conn, status, err := greet(ctx, d, name, address)
		switch {
		case err == nil:
			return conn, status, nil
		case foreign(err):
			if strangers++; strangers == patience {
				return nil, status, fmt.Errorf("the peer port %s of %s %w (%w)", address, name, errStranger, err)
			}
			pause = dialPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil, peer.Status{}, nil
}

// greet dials once. Another cluster on this machine may well have the same secret, so
// the name counts too.
func greet(ctx context.Context, d *peer.Dialer, name, address string) (*peer.Conn, peer.Status, error) {
	conn, err := d.Dial(ctx, address, layout.ID{})
	if err != nil {
		return nil, peer.Status{}, err
	}
	status, err := peer.FetchStatus(ctx, conn)
	if err == nil && status.Name != name {
		err = fmt.Errorf("%w: %s", errStranger, status.Name)
	}
	if err != nil {
		conn.Close()
		return nil, status, err
	}
	return conn, status, nil
}

func foreign(err error) bool {
	for _, e := range []error{peer.ErrSecret, peer.ErrCluster, peer.ErrProtocol, errStranger} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
