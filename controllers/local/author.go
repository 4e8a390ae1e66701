package local

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/placement"
)

const (
	firstLook      = 50 * time.Millisecond // between two looks until all nodes are ready
	look           = time.Second           // between two looks from then on
	startTimeout   = 3 * time.Minute
	reconnectPause = 200 * time.Millisecond
	parallel       = 32 // calls to nodes at a time
)

// author writes the layouts of a cluster whose nodes are its children. All of it is
// owned by the goroutine in Run; others send it events.
type author struct {
	cfg    *Config
	out    *output
	dialer *peer.Dialer
	nodes  []*node

	// The cluster's ID and its layout are the author's whole state, and they live in
	// this process's memory only. That is as durable as they need to be (I6): the nodes
	// do not outlive this process, so nobody is left who heard of a layout that is lost.
	// In Kubernetes, where nodes do outlive the operator, both are kept in its API.
	cluster layout.ID
	current *layout.Layout

	events  chan func()
	ctx     context.Context // ends when the children are to be left alone
	workers sync.WaitGroup

	started time.Time
	ready   bool // all nodes have served once
	fatal   error
	puzzled string // what the plan said last
}

// node is one place in the cluster, whichever process fills it.
type node struct {
	index   int
	name    layout.Name
	address string // of the peer port

	proc    *process // nil: none runs
	born    time.Time
	due     time.Time // when to start the next one; zero: never
	backoff time.Duration

	conn    *peer.Conn // nil: not connected
	last    layout.ID  // incarnation that was connected last
	status  peer.Status
	failing string // what was wrong with it last, so that it is said once
}

// Run runs a cluster until ctx ends, which is no error, or the cluster cannot be. No
// child is left when it returns.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	a, err := newAuthor(&cfg)
	if err != nil {
		return err
	}
	var cancel context.CancelFunc
	a.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	err = a.run(ctx)
	if err == nil {
		a.out.note("stopping %d nodes; a second Ctrl-C kills them", len(a.nodes))
	}
	cancel()
	a.stop()
	if err == nil {
		a.out.line("stopped")
	}
	return err
}

func newAuthor(cfg *Config) (*author, error) {
	secret, err := uid.NewSecret([]byte(cfg.Secret))
	if err != nil {
		return nil, err
	}
	a := &author{cfg: cfg, out: newOutput(cfg), cluster: layout.NewID(), events: make(chan func()), started: time.Now()}
	self := peer.Hello{Cluster: a.cluster, Name: "author"}
	a.dialer = &peer.Dialer{Key: secret.PeerKey(), Self: func() peer.Hello { return self }}
	for i, name := range cfg.Names {
		a.nodes = append(a.nodes, &node{
			index: i, name: name, address: address(cfg.Port + portStep*i + peerOffset), due: a.started, backoff: minBackoff,
		})
	}
	return a, nil
}

func (a *author) run(ctx context.Context) error {
	for ctx.Err() == nil && a.fatal == nil {
		a.start(time.Now())
		a.observe(ctx)
		a.plan()
		a.apply(ctx)
		a.report()
		a.wait(ctx)
	}
	return a.fatal
}

// wait returns when something has happened or it is time for the next look. While the
// cluster starts, looks come at a tenth of the time that it takes.
func (a *author) wait(ctx context.Context) {
	if a.fatal != nil {
		return
	}
	pause := look
	if !a.ready {
		pause = min(pause, time.Since(a.started)/10)
	}
	for _, n := range a.nodes {
		if n.proc == nil && !n.due.IsZero() {
			pause = min(pause, time.Until(n.due))
		}
	}
	timer := time.NewTimer(max(pause, firstLook))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case do := <-a.events:
		do()
	}
}

// tell has the author's goroutine do something; false if it will not any more.
func (a *author) tell(do func()) bool {
	select {
	case a.events <- do:
		return true
	case <-a.ctx.Done():
		return false
	}
}

// observe asks each node how it is that has the layout and does not serve yet. Others
// are not asked: to know that they live, their process and connection are enough, and
// what a node says of itself grows with the number of members.
func (a *author) observe(ctx context.Context) {
	a.each(func(n *node) bool { return !n.status.Ready && n.has(a.current) }, func(n *node) error {
		status, err := peer.FetchStatus(ctx, n.conn)
		if err == nil {
			n.status = status
		}
		return err
	})
}

// has tells whether the node has adopted this layout.
func (n *node) has(l *layout.Layout) bool { return l != nil && n.status.Epoch >= l.Epoch }

// plan takes the next step, if there is one.
func (a *author) plan() {
	var seen []placement.Observation
	for _, n := range a.nodes {
		if n.conn != nil {
			seen = append(seen, placement.Observation{
				Name: n.name, Address: n.address, Incarnation: n.last, Cluster: n.status.Cluster, Epoch: n.status.Epoch,
			})
		}
	}
	next, why := placement.Next(a.cluster, a.current, a.cfg.Names, placement.World{Seen: seen})
	if next == nil {
		if a.ready && why != "" && why != a.puzzled {
			a.out.note("no step: %s", why)
		}
		a.puzzled = why
		return
	}
	a.current, a.puzzled = next, ""
	for i := range next.Members {
		if m := &next.Members[i]; m.Phase == layout.Joining && m.JoinEpoch == next.Epoch {
			a.out.note("%s is back with empty memory and joins in epoch %d: it answers by asking the owners.", m.Name, next.Epoch)
		}
	}
}

// apply hands the layout to each node that does not have it. One that fails is tried
// again at the next look.
func (a *author) apply(ctx context.Context) {
	a.each(func(n *node) bool { return a.current != nil && !n.has(a.current) }, func(n *node) error {
		epoch, err := peer.PushLayout(ctx, n.conn, a.current)
		if err == nil {
			n.status.Cluster, n.status.Epoch = a.cluster, epoch
		}
		return err
	})
}

// each calls the connected nodes that match, many at a time. What goes wrong with a
// node is said once; it is tried again at the next look.
func (a *author) each(match func(*node) bool, call func(*node) error) {
	var group errgroup.Group
	group.SetLimit(parallel)
	errs := make([]error, len(a.nodes))
	for _, n := range a.nodes {
		if n.conn != nil && match(n) {
			group.Go(func() error {
				errs[n.index] = call(n)
				return nil
			})
		}
	}
	_ = group.Wait() // each node has its own error
	for _, n := range a.nodes {
		if n.conn != nil && broken(n.conn) {
			n.conn.Close()
			n.conn = nil
			a.connect(n, reconnectPause)
			continue
		}
		if err := errs[n.index]; err != nil && err.Error() != n.failing {
			n.failing = err.Error()
			a.out.note("%s: %v", n.name, err)
		}
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

// report says ready once all nodes serve, and gives up if that takes too long.
func (a *author) report() {
	if a.ready {
		return
	}
	var waiting []string
	for _, n := range a.nodes {
		switch {
		case n.conn == nil:
			waiting = append(waiting, fmt.Sprintf("%s: no answer yet", n.name))
		case !n.status.Ready:
			waiting = append(waiting, fmt.Sprintf("%s: %s", n.name, n.status.Reason))
		}
	}
	switch took := time.Since(a.started); {
	case len(waiting) == 0:
		a.ready = true
		a.out.cluster(a.nodes, took)
	case took > a.cfg.startTimeout:
		a.fatal = fmt.Errorf("%d of %d nodes are not ready after %v:\n%s", len(waiting), len(a.nodes), a.cfg.startTimeout, strings.Join(waiting, "\n"))
	}
}
