package local

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/membership"
)

const (
	// tick is between two looks at what the nodes said.
	tick = 100 * time.Millisecond
	// idle is how many ticks there are between two looks while nothing is under way.
	idle         = 4
	firstLook    = 50 * time.Millisecond // between two looks until all nodes are ready, at first
	startTimeout = 3 * time.Minute
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
	stay    []layout.Name // the nodes that are not to go
	shape   []layout.Range
	serial  uint64             // the last one that a node was named by
	dead    map[layout.ID]bool // incarnations that are members and that we saw end

	events  chan func()
	ctx     context.Context // ends when the children are to be left alone
	workers sync.WaitGroup
	urgent  bool        // an event asks for a look at once
	busy    atomic.Bool // something is under way: nodes are asked more often

	clock   clock
	looks   int
	homes   int // children that were started
	started time.Time
	ready   bool // all nodes have served once
	trouble time.Time
	fatal   error
	puzzled string // what the plan said last
}

// node is one place in the cluster, whichever process fills it.
type node struct {
	index   int
	name    layout.Name
	address string // of the peer port

	template template
	dropped  bool // it is not needed any more, and ends

	proc    *process // nil: none runs
	home    string   // of the process
	born    time.Time
	due     time.Time // when to start the next one; zero: never
	backoff time.Duration

	conn    *peer.Conn    // nil: not connected
	nudge   chan struct{} // the node is to be asked at once
	last    layout.ID     // the incarnation of the process, as far as it is known
	status  peer.Status
	said    time.Time // when it said that
	epoch   uint64    // of the layout it has
	offered uint64    // the epoch of the last layout that was handed to it over this connection
	pending int       // layouts that are on their way to it
	failing string    // what was wrong with it last, so that it is said once

	heard  time.Duration // when it last answered, by the author's clock
	since  time.Duration // since when it has done so without a gap
	silent bool          // it was said that it does not answer

	hindered time.Duration // since when it fails to copy; zero: it does not
	causes   []string      // why it failed, as far as that was said
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
	a := &author{
		cfg: cfg, out: newOutput(cfg), cluster: layout.NewID(), dead: make(map[layout.ID]bool),
		events: make(chan func()), started: time.Now(), stay: cfg.Names, shape: membership.Shape(cfg.Names),
	}
	self := peer.Hello{Cluster: a.cluster, Name: "author"}
	a.dialer = &peer.Dialer{Key: secret.PeerKey(), Self: func() peer.Hello { return self }}
	for i, name := range cfg.Names {
		a.nodes = append(a.nodes, a.place(name, i))
	}
	return a, nil
}

func (a *author) run(ctx context.Context) error {
	for ctx.Err() == nil && a.fatal == nil {
		a.clock.tick(time.Now())
		a.start(time.Now())
		a.plan()
		a.push()
		a.report()
		a.wait(ctx)
	}
	return a.fatal
}

// wait returns when something has happened that cannot wait, or it is time for the next
// look. What happens at one moment is taken in together: two deaths are one step.
func (a *author) wait(ctx context.Context) {
	timer := time.NewTimer(a.pause())
	defer timer.Stop()
	for over := false; a.fatal == nil && !a.urgent && !over; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			over = true
		case do := <-a.events:
			do()
		case c := <-a.cfg.Changes:
			a.change(c)
		}
	}
	for a.fatal == nil {
		select {
		case do := <-a.events:
			do()
		default:
			return
		}
	}
}

// pause is how long to wait at most. While the cluster starts, looks come at a tenth of
// the time that it takes.
func (a *author) pause() time.Duration {
	if a.ready {
		return tick
	}
	pause := min(time.Second, time.Since(a.started)/10)
	for _, n := range a.nodes {
		if n.proc == nil && !n.due.IsZero() {
			pause = min(pause, time.Until(n.due))
		}
	}
	return max(pause, firstLook)
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
