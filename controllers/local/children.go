package local

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// A node that died is started again after a pause, which doubles each time; one that
// lived for longer than the longest pause begins anew.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// start starts the processes that are due, a few at a time: all at once would take so
// long together that each seemed stuck.
func (a *author) start(now time.Time) {
	starting := 0
	for _, n := range a.nodes {
		if n.proc != nil && n.conn == nil {
			starting++
		}
	}
	for _, n := range a.nodes {
		if n.proc != nil || n.dropped || n.due.IsZero() || n.due.After(now) {
			continue
		}
		if starting++; starting > max(4, 2*runtime.GOMAXPROCS(0)) {
			return
		}
		n.template = a.template()
		p, err := start(a.cfg.Executable, a.cfg.nodeArgs(n), a.cfg.Secret, a.out.logOf(n.name))
		if err != nil {
			a.missed(n, err)
			continue
		}
		a.homes++
		n.proc, n.home, n.born, n.failing = p, strconv.Itoa(a.homes), now, ""
		a.welcome(n)
		a.connect(n, 0)
		a.workers.Go(func() {
			<-p.done
			a.tell(func() { a.ended(n, p) })
		})
	}
}

// missed: the system did not give us a process.
func (a *author) missed(n *node, err error) {
	if !a.ready {
		a.fatal = err
		return
	}
	a.out.note("%s: %v.%s", n.name, err, a.again(n))
}

// again sets the time for a node's next start, later each time, and says it.
func (a *author) again(n *node) string {
	said := fmt.Sprintf(" It is started again in %v.", n.backoff)
	n.due = time.Now().Add(n.backoff)
	n.backoff = min(2*n.backoff, maxBackoff)
	return said
}

// connect dials a node in the background.
func (a *author) connect(n *node, after time.Duration) {
	p, name := n.proc, n.name.String()
	a.workers.Go(func() {
		select {
		case <-a.ctx.Done():
		case <-time.After(after):
		}
		conn, status, err := connect(a.ctx, a.dialer, p, name, n.address)
		if conn == nil && err == nil {
			return
		}
		if !a.tell(func() { a.dialled(n, p, conn, &status, err) }) && conn != nil {
			conn.Close()
		}
	})
}

func (a *author) dialled(n *node, p *process, conn *peer.Conn, status *peer.Status, err error) {
	switch {
	case err == nil:
		a.connected(n, p, conn, status)
	case n.proc != p || p.ended():
	case !a.ready:
		a.fatal = err
	default:
		// Nobody can reach it there, so it is of no use. Its end starts the next try.
		a.out.note("%s", err)
		p.signal(os.Kill)
	}
}

// ended takes note of a process's end, which is proof of its death: wait4 said so
// (F19).
func (a *author) ended(n *node, p *process) {
	if n.conn != nil {
		n.conn.Close()
	}
	id := n.last
	a.buried(id)
	n.proc, n.conn, n.due, n.last, n.status, n.epoch, n.silent = nil, nil, time.Time{}, layout.ID{}, peer.Status{}, 0, false
	if !a.ready {
		a.fatal = errors.New(strings.Join(append([]string{fmt.Sprintf("%s did not start: %s", n.name, p.end())}, a.out.unshown(p.lastLines())...), "\n"))
		return
	}
	a.urgent = true
	if n.dropped {
		a.nodes = slices.DeleteFunc(a.nodes, func(o *node) bool { return o == n })
		return
	}
	a.upset()
	what := fmt.Sprintf("%s (pid %d) died: %s. %s", n.name, p.pid(), p.end(), a.losses(id))
	if !a.cfg.Restart {
		a.out.note("%s It is not started again (--restart=false).", what)
		if a.allGone() {
			a.fatal = errors.New("no node is left")
		}
		return
	}
	if time.Since(n.born) > maxBackoff {
		n.backoff = minBackoff
	}
	a.out.note("%s%s", what, a.again(n))
}

func (a *author) allGone() bool {
	for _, n := range a.nodes {
		if n.proc != nil {
			return false
		}
	}
	return true
}

// losses says what the death of an incarnation means.
func (a *author) losses(id layout.ID) string {
	alive := make(map[layout.ID]bool, len(a.nodes))
	for _, n := range a.nodes {
		alive[n.last] = n.proc != nil
	}
	return losses(a.current, id, alive)
}
