package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// ends are what may end a node, besides the context of Run.
type ends struct {
	ending    atomic.Bool               // it was told to
	patience  atomic.Pointer[time.Time] // until when it waits to be let go; nil: it was not told to stop
	letGo     atomic.Bool               // and nobody needs it any more, or it waited for too long
	failed    chan error                // a port does not work any more
	orphaned  chan struct{}             // closed: the parent process is gone
	dissolved chan struct{}             // closed: the cluster is no more
	dissolve  func()                    // closes dissolved
	news      chan struct{}             // a layout was adopted
}

func newEnds() *ends {
	e := &ends{
		failed: make(chan error, 3), orphaned: make(chan struct{}), dissolved: make(chan struct{}), news: make(chan struct{}, 1),
	}
	e.dissolve = sync.OnceFunc(func() { close(e.dissolved) })
	return e
}

// adopted has whoever waits look at the layout again.
func (e *ends) adopted() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// untilEnd waits until the node is to stop: nil if it was told to, ErrRemoved if it is to begin
// anew.
func (n *Node) untilEnd(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return n.leave()
	case err := <-n.failed:
		return err
	case <-n.state.Removed():
		return ErrRemoved
	case <-n.dissolved:
	case <-n.orphaned:
	}
	n.ending.Store(true)
	n.letGo.Store(true)
	return nil
}

// leave has a node that was told to stop go on with all its duties until the layout lets it go
// (docs/changes.md), and then with its clients' requests until nobody finds its address any more.
func (n *Node) leave() error {
	told := time.Now()
	until := told.Add(n.cfg.LeaveTimeout)
	n.patience.Store(&until)
	n.ending.Store(true)
	if me := n.state.Me(); isNeeded(me) && n.cfg.LeaveTimeout > 0 {
		n.log.Info("told to stop; goes on until others have taken over", "phase", me.Phase.String(), "at_most", n.cfg.LeaveTimeout)
		letGo := func() bool { return !isNeeded(n.state.Me()) }
		if over, err := n.pause(n.cfg.LeaveTimeout, letGo); over {
			return err
		}
		took := time.Since(told).Round(time.Millisecond)
		if letGo() {
			n.log.Info("let go", "epoch", n.state.Epoch(), "after", took)
		} else {
			n.log.Warn("not let go in time; what only this node holds is lost", "after", took)
		}
		told = time.Now() // others hear a moment later that it has no duties any more
	}
	n.letGo.Store(true)
	_, err := n.pause(n.cfg.Linger-time.Since(told), func() bool { return false })
	return err
}

// waitsFor is for how many milliseconds a node that was told to stop waits to be let go; nil if
// it was not.
func (n *Node) waitsFor() *int64 {
	until := n.patience.Load()
	if until == nil {
		return nil
	}
	return new(max(0, time.Until(*until).Milliseconds()))
}

// goes tells whether clients had better go elsewhere. One that serves and was told to stop may be
// the only one who does.
func (n *Node) goes() bool {
	if !n.ending.Load() {
		return false
	}
	me := n.state.Me()
	return n.letGo.Load() || me == nil || me.Phase != layout.Serving
}

// isNeeded tells whether a layout counts on a member: for what it holds, or to acknowledge
// writes.
func isNeeded(me *layout.Member) bool { return me != nil && me.Phase != layout.Joining }

// pause lets so much time pass, or less if enough says so, which is asked again with each
// layout. over tells that the node must not wait any more, for which err is the reason, if it
// is a bad one.
func (n *Node) pause(d time.Duration, enough func() bool) (over bool, err error) {
	t := time.NewTimer(d)
	defer t.Stop()
	for !enough() {
		select {
		case <-t.C:
			return false, nil
		case <-n.news:
		case err := <-n.failed:
			return true, err
		case <-n.state.Removed(): // it has nothing any more that anybody could wait for
			return true, nil
		case <-n.dissolved:
			return true, nil
		case <-n.orphaned:
			return true, nil
		}
	}
	return false, nil
}
