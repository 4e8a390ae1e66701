package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/eiri/seppen/node/rest"
)

// ErrRemoved is returned by Run when the layout no longer has this incarnation, which was not
// leaving: its memory is of no use any more.
var ErrRemoved = errors.New("removed from the layout")

// listeners are the node's three ports.
type listeners struct{ rest, peer, admin net.Listener }

func listen(cfg *Config) (l listeners, err error) {
	for _, p := range []struct {
		name, address string
		l             *net.Listener
	}{
		{"REST", cfg.Listen, &l.rest}, {"peer", cfg.PeerListen, &l.peer}, {"admin", cfg.AdminListen, &l.admin},
	} {
		if *p.l, err = net.Listen("tcp", p.address); err != nil {
			l.close()
			return l, fmt.Errorf("%s port: %w", p.name, err)
		}
	}
	return l, nil
}

func (l *listeners) close() {
	for _, l := range []net.Listener{l.rest, l.peer, l.admin} {
		if l != nil {
			l.Close()
		}
	}
}

// Run serves until the context ends and the node is let go (see Config.LeaveTimeout), then
// stops accepting, finishes what is in flight and returns nil. Any other end is an error.
func (n *Node) Run(ctx context.Context) error {
	l, err := listen(&n.cfg)
	if err != nil {
		return err
	}
	// Not ctx: a node that was told to stop goes on with its duties until it does.
	work, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopPeer := n.begin(work, l)
	if n.listening != nil {
		n.listening(l)
	}
	n.log.Info("listening", "rest", l.rest.Addr().String(), "peer", l.peer.Addr().String(), "admin", l.admin.Addr().String(),
		"incarnation", n.state.Incarnation().String())
	cause := n.untilEnd(ctx)
	cancel()
	if errors.Is(cause, ErrRemoved) {
		return n.wipe(stopPeer)
	}
	return errors.Join(cause, n.stop(stopPeer, n.cfg.DrainTimeout))
}

// begin starts to serve, and all that works until the context ends. It returns what ends the
// peer port.
func (n *Node) begin(work context.Context, l listeners) (stopPeer func()) {
	serve := func(s *http.Server, l net.Listener) {
		n.background.Go(func() {
			if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				n.failed <- err
			}
		})
	}
	serve(n.admin, l.admin)
	stopPeer = n.peer.Serving(l.peer)
	serve(n.rest, rest.Options{MaxConns: n.cfg.MaxConns}.Listener(l.rest))
	n.background.Go(n.driver.Run)
	n.background.Go(func() { n.reclaim.Run(work) })
	n.background.Go(func() { n.purge.Run(work) })
	n.background.Go(func() { n.copier.Run(work) })
	n.background.Go(func() { n.trim(work) })
	if n.cfg.Lifeline != nil {
		go func() {
			io.Copy(io.Discard, n.cfg.Lifeline) //nolint:errcheck // its end is what counts
			n.log.Info("the parent process is gone")
			close(n.orphaned)
		}()
	}
	return stopPeer
}

// wipeTimeout is for how long a removed node that has served lets its clients finish, and then
// those whom it cut off. It holds nothing that they could wait for, and is to hold it again soon.
const wipeTimeout = time.Second

// wipe ends a node that was removed, and gives its memory back unless somebody still reads it.
func (n *Node) wipe(stopPeer func()) error {
	drain := n.cfg.DrainTimeout
	// One that has not served yet passes on what others answer: it may only be that it is not
	// needed after all.
	if n.servingAt.Load() != 0 {
		drain = wipeTimeout
		n.end()
	}
	err := n.stop(stopPeer, drain)
	ctx, cancel := context.WithTimeout(context.Background(), wipeTimeout)
	defer cancel()
	if !n.clients.end(ctx) || !n.service.Drain(ctx) {
		return errors.Join(ErrRemoved, err)
	}
	if err != nil {
		n.log.Warn("clients were cut off", "error", err)
	}
	n.store.Close()
	n.wiped = true
	return ErrRemoved
}

// trim gives memory back that the store no longer needs.
func (n *Node) trim(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			n.store.Trim()
		}
	}
}

// stop ends the node in the order that lets requests in flight finish: clients first,
// then peers, for which this node may still be an owner.
func (n *Node) stop(stopPeer func(), drain time.Duration) error {
	n.stopping.Store(true)
	n.log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	err := n.rest.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("requests were still in flight after %v: %w", drain, err)
		_ = n.rest.Close() // what is left is cut off
	}
	_ = n.admin.Close() // nobody waits for its answers
	if !n.service.Drain(ctx) {
		err = errors.Join(err, fmt.Errorf("requests of other nodes were still in flight after %v", drain))
	}
	stopPeer()
	n.peers.Close()
	n.driver.Close()
	n.end()
	n.router.Close()
	n.background.Wait()
	n.log.Info("stopped")
	return err
}
