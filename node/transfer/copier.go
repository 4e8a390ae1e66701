package transfer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/cores"
)

const (
	// workers is how many slots are copied at once: enough that there is always something to
	// check and store while others wait for an answer.
	workers = 4
	// A slot that could not be copied is tried again after so long.
	retryMin, retryMax = 100 * time.Millisecond, time.Second
	// adoptWait is how long the adoption of a layout takes that was just begun.
	adoptWait = time.Millisecond
)

// Options are a Copier's parts.
type Options struct {
	Parts
	Clients *cores.Clients // those for whom cores are left; nil: nobody
	Log     *slog.Logger
}

// Copier copies to a node all that it lacks, while the layout has it joining or attached.
type Copier struct {
	opt  Options
	pace *pace
	due  chan *job // has room for all of them; none is in it twice

	mu    sync.Mutex
	epoch uint64       // of the layout that is adopted or about to be
	phase layout.Phase // of this node in it, 0 unless there is something to copy
	told  layout.Phase // the end of which was logged
	jobs  [layout.Slots]job
	rate  rate
}

// job is a slot to be copied.
type job struct {
	slot  *Slot // of the worker who has the job
	state jobState
	again bool // while it runs: it is due again when it ends
	mine  bool // this node is to have the slot

	timer    *time.Timer // while it waits
	wait     time.Duration
	err      error // of the last step
	progress Progress
	left     int64 // as Slot.Left
	size     int64
	known    bool
}

type jobState uint8

const (
	idle    jobState = iota // there is nothing to do, as far as is known
	queued                  // it is in due
	running                 // a worker has it
	waiting                 // it failed and is due again later
)

// New returns a Copier. Run makes it work.
func New(opt Options) *Copier {
	c := &Copier{opt: opt, pace: newPace(), due: make(chan *job, layout.Slots)}
	c.opt.pace, c.opt.meter = c.pace, &meter{}
	c.opt.hands = cores.NewHands(opt.Clients)
	for i := range c.jobs {
		c.jobs[i].slot = NewSlot(&c.opt.Parts, uint8(i))
	}
	return c
}

// SetLimit has at most so many bytes come in a second for copying, entries and values
// together; 0: any number. It may be called at any time.
func (c *Copier) SetLimit(bytesPerSecond int64) { c.pace.SetLimit(bytesPerSecond) }

// Adopt follows a layout that the node's machine follows from now on. It does not block.
func (c *Copier) Adopt(t *layout.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch, c.phase = t.Layout.Epoch, 0
	for i := range c.jobs {
		j := &c.jobs[i]
		phase := copying(t, c.opt.Self, uint8(i))
		j.mine = phase != 0
		if j.mine {
			c.phase = phase
			c.want(j)
		}
	}
}

// want makes a job due now.
func (c *Copier) want(j *job) {
	switch {
	case j.state == running:
		j.again = true
	case j.state == idle, j.state == waiting && j.timer.Stop():
		j.wait = 0
		c.queue(j)
	}
}

func (c *Copier) queue(j *job) {
	j.state = queued
	c.due <- j
}

// Run copies until the context ends.
func (c *Copier) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { c.work(ctx) })
	}
	wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.jobs {
		if j := &c.jobs[i]; j.state == waiting {
			j.timer.Stop()
		}
	}
}

func (c *Copier) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-c.due:
			if ctx.Err() == nil {
				c.copy(ctx, j)
			}
		}
	}
}

// copy takes a job's steps until it is done or one of them fails.
func (c *Copier) copy(ctx context.Context, j *job) {
	if !c.begin(j) {
		return
	}
	for {
		done, err := j.slot.Step(ctx)
		if c.stepped(j, done, err) {
			return
		}
	}
}

// begin has a job run, if the node's newest layout is in use everywhere by now.
func (c *Copier) begin(j *job) bool {
	t := c.opt.Table()
	c.mu.Lock()
	defer c.mu.Unlock()
	if t == nil || t.Layout.Epoch < c.epoch {
		c.later(j, adoptWait)
		return false
	}
	j.state = running
	return true
}

// stepped notes how a step went, and tells whether the job is to be left now.
func (c *Copier) stepped(j *job, done bool, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := j.progress.Bytes
	j.err, j.progress = err, j.slot.Progress()
	c.rate.add(j.progress.Bytes-before, time.Now())
	j.left, j.size, j.known = j.slot.Left()
	switch {
	case err != nil:
		j.wait = min(max(2*j.wait, retryMin), retryMax)
		c.later(j, j.wait)
	case !done:
		j.wait = 0
		return false
	case j.again:
		c.queue(j)
	default:
		j.state = idle
		c.tellDone()
	}
	j.again = false
	return true
}

// later makes a job due after some time.
func (c *Copier) later(j *job, wait time.Duration) {
	j.state = waiting
	j.timer = time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.queue(j)
	})
}

// tellDone logs the end of the last job, once in each phase.
func (c *Copier) tellDone() {
	for i := range c.jobs {
		if j := &c.jobs[i]; j.mine && j.state != idle {
			return
		}
	}
	if c.phase != c.told {
		c.told = c.phase
		sum := c.sum()
		c.opt.Log.Info("everything is copied", "phase", c.phase.String(),
			"values", sum.Values, "bytes", sum.Bytes, "here_before", sum.Here, "gone", sum.Gone)
	}
}
