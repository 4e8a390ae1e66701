package local

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/controllers/placement"
)

const (
	// pulse is how often a node must answer something. A node that is silent is to be
	// noticed within placement.SuspectAfter, which is three of these.
	pulse = 400 * time.Millisecond
	// look is how often a node is asked how it is while nothing is under way: what it says
	// grows with the cluster.
	look = 2 * pulse

	pingTimeout    = 5 * time.Second // longer than a connection lasts on which nothing comes
	reconnectPause = 200 * time.Millisecond
)

// attend asks a node how it is, again and again, for as long as the connection lasts. A
// node that does not answer keeps nobody else waiting.
func (a *author) attend(n *node, conn *peer.Conn, nudge <-chan struct{}) {
	asked := time.Now() // who is connected has just been asked
	timer := time.NewTimer(pulse)
	defer timer.Stop()
	for {
		nudged := false
		select {
		case <-conn.Done():
			a.tell(func() { a.lost(n, conn) })
			return
		case <-a.ctx.Done():
			return
		case <-nudge:
			nudged = true
		case <-timer.C:
		}
		if began := time.Now(); nudged || a.busy.Load() || began.Sub(asked) >= look {
			asked = began
			status, err := peer.FetchStatus(a.ctx, conn)
			a.tell(func() { a.answered(n, conn, &status, err) })
		} else {
			_, err := conn.Call(a.ctx, pingTimeout, peer.OpPing, 0, nil, nil)
			a.tell(func() { a.answered(n, conn, nil, err) })
		}
		timer.Reset(pulse)
	}
}

// answered takes in that a node answered, and what.
func (a *author) answered(n *node, conn *peer.Conn, status *peer.Status, err error) {
	if n.conn != conn || broken(conn) {
		return // lost comes next
	}
	if err != nil {
		a.fails(n, err)
		return
	}
	if status != nil {
		n.status, n.said = *status, time.Now()
		n.epoch = max(n.epoch, status.Epoch)
		if n.pending == 0 && status.Epoch < n.offered {
			n.offered = 0 // it was not taken: hand it over again
		}
	}
	a.hear(n)
}

// hear takes note of a sign of life.
func (a *author) hear(n *node) {
	if a.silence(n) >= placement.SuspectAfter {
		n.since = a.clock.now
	}
	n.heard = a.clock.now
	if n.silent {
		n.silent = false
		a.out.note("%s (pid %d) answers again.", n.name, n.proc.pid())
	}
}

// silence is for how long a node has not answered.
func (a *author) silence(n *node) time.Duration { return a.clock.now - n.heard }

// lost takes note of the end of a connection. The process may be alive.
func (a *author) lost(n *node, conn *peer.Conn) {
	conn.Close()
	if n.conn == conn {
		n.conn = nil
		a.connect(n, reconnectPause)
	}
}

// connected takes in a connection to a process.
func (a *author) connected(n *node, p *process, conn *peer.Conn, status *peer.Status) {
	if n.proc != p || p.ended() {
		conn.Close()
		return
	}
	if id := conn.Remote().Incarnation; id != n.last {
		a.buried(n.last) // two incarnations of one process do not live at a time
		n.last, n.since, n.heard = id, a.clock.now, a.clock.now
		a.urgent = a.ready
	}
	n.conn, n.nudge, n.status, n.said = conn, make(chan struct{}, 1), *status, time.Now()
	n.epoch, n.offered, n.pending = status.Epoch, 0, 0
	a.hear(n)
	a.configure(n, a.settings())
	nudge := n.nudge
	a.workers.Go(func() { a.attend(n, conn, nudge) })
}

// buried: an incarnation has ended, and this is proof (F19). One that was never
// connected was no member.
func (a *author) buried(id layout.ID) {
	if id != (layout.ID{}) {
		a.dead[id] = true
	}
}

// fails says once what goes wrong with a node.
func (a *author) fails(n *node, err error) {
	if err.Error() != n.failing {
		n.failing = err.Error()
		a.out.note("%s: %v", n.name, err)
	}
}

func broken(c *peer.Conn) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}
