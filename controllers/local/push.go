package local

import (
	"github.com/eiri/seppen/api/peer"
)

// configure hands the settings to a node.
func (a *author) configure(n *node, s peer.Settings) {
	conn := n.conn
	if conn == nil {
		return
	}
	a.workers.Go(func() {
		if err := peer.PushSettings(a.ctx, conn, s); err != nil {
			a.tell(func() { a.answered(n, conn, nil, err) })
		}
	})
}

// push hands the layout to every node that does not have it, to all at once; nobody waits
// for a slow one. One that does not take it is offered it again when it has said how it is.
func (a *author) push() {
	for _, n := range a.nodes {
		if l := a.current; l != nil && n.conn != nil && n.epoch < l.Epoch && n.offered < l.Epoch {
			n.offered = l.Epoch
			n.pending++
			conn := n.conn
			a.workers.Go(func() {
				epoch, err := peer.PushLayout(a.ctx, conn, l)
				a.tell(func() { a.pushed(n, conn, epoch, err) })
			})
		}
	}
}

func (a *author) pushed(n *node, conn *peer.Conn, epoch uint64, err error) {
	if n.conn != conn || broken(conn) {
		return
	}
	n.pending--
	if err != nil {
		a.fails(n, err)
		return
	}
	n.epoch = max(n.epoch, epoch)
	n.ask()
}

// ask has a node asked at once how it is.
func (n *node) ask() {
	select {
	case n.nudge <- struct{}{}:
	default: // it is about to be asked, or there is nobody
	}
}
