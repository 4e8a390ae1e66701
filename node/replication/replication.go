// Package replication drives the state machine of node/replica in a node: it sends what
// the machine wants sent, tells it what became of that, and ticks it. It decides nothing.
package replication

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/wire"
)

// orderTimeout is how many seconds a write may take, its turn and its owners together.
const orderTimeout = 5

// ticks is how often in a second the machine is ticked.
const ticks = 40

// Network reaches the other owners, see node/peers.
type Network interface {
	// Replicate returns nil once the member has the entry. Any error means that it may
	// or may not have it.
	Replicate(ctx context.Context, m *layout.Member, r *wire.Replicate) error
	// Gather asks a member for its unsettled operations.
	Gather(ctx context.Context, m *layout.Member, q *wire.Gather) (wire.Gathered, error)
}

// Options are a Driver's parts.
type Options struct {
	Machine *replica.Machine
	Network Network
	// Dropped is told the uid of a value that no entry of this node refers to any more.
	Dropped func(uid.UID)
	// Activated is called when the machine has become the active primary of slots: their
	// owners want to hear of it.
	Activated func()
	Clock     func() time.Duration
	Second    time.Duration // the length of a second; tests have short ones
}

// Driver drives one machine.
type Driver struct {
	opt     Options
	machine *replica.Machine
	adopted replica.Effects // not sent yet; layouts are adopted one at a time

	ctx    context.Context //nolint:containedctx // ends the sending when the node stops
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ending sync.RWMutex // held while wg is added to, so that nothing begins once ctx has ended
}

// New returns a Driver; Run makes it tick.
func New(opt Options) *Driver {
	d := &Driver{opt: opt, machine: opt.Machine}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Run ticks the machine until Close.
func (d *Driver) Run() {
	t := time.NewTicker(d.opt.Second / ticks)
	defer t.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-t.C:
			d.do(d.machine.Tick(d.opt.Clock()))
		}
	}
}

// Close gives up what is still being sent and waits for it to end.
func (d *Driver) Close() {
	d.ending.Lock()
	d.cancel()
	d.ending.Unlock()
	d.wg.Wait()
}

// Adopt makes the machine follow a layout. What follows from that is sent by Adopted.
func (d *Driver) Adopt(t *layout.Table) { d.adopted = d.machine.Adopt(t, d.opt.Clock()) }

// Adopted sends what followed from the last Adopt, now that requests carry its epoch.
func (d *Driver) Adopted() {
	fx := d.adopted
	d.adopted = replica.Effects{}
	d.do(fx)
}

// begin tells whether this is not the end yet, which then waits for wg.Done.
func (d *Driver) begin() bool {
	d.ending.RLock()
	defer d.ending.RUnlock()
	if d.ctx.Err() != nil {
		return false
	}
	d.wg.Add(1)
	return true
}

func (d *Driver) spawn(f func()) {
	if !d.begin() {
		return
	}
	go func() {
		defer d.wg.Done()
		f()
	}()
}

// do has all effects done, without waiting for them.
func (d *Driver) do(fx replica.Effects) {
	for _, r := range fx.Replicates {
		d.spawn(func() { d.replicate(r) })
	}
	for _, g := range fx.Gathers {
		d.spawn(func() { d.gather(g) })
	}
	if fx.Activated {
		d.opt.Activated()
	}
	for _, u := range fx.Dropped {
		d.opt.Dropped(u)
	}
}

func (d *Driver) replicate(r *replica.Replicate) {
	err := d.opt.Network.Replicate(d.ctx, r.To, &r.Msg)
	d.do(d.machine.Replicated(r, err == nil, d.opt.Clock()))
}

func (d *Driver) gather(g *replica.Gather) {
	reply, err := d.opt.Network.Gather(d.ctx, g.To, &g.Gather)
	if err != nil {
		d.do(d.machine.Gathered(g, nil, d.opt.Clock()))
		return
	}
	d.do(d.machine.Gathered(g, &reply, d.opt.Clock()))
}

// Order executes a write of a key of slot n that another node or this one asks for and
// returns once every owner has it. Errors: see replica.Machine.Result.
func (d *Driver) Order(ctx context.Context, n uint8, w *wire.Write, origin layout.ID) (wire.Ordered, error) {
	op, fx := d.machine.Order(n, w, origin, d.opt.Clock)
	return d.wait(ctx, op, fx)
}

// Remove removes an entry whose value was lost, if it is still of that version.
func (d *Driver) Remove(ctx context.Context, n uint8, key string, v kv.Version) error {
	op, fx := d.machine.Purge(n, key, v, d.opt.Clock)
	_, err := d.wait(ctx, op, fx)
	return err
}

func (d *Driver) wait(ctx context.Context, op *replica.Op, fx replica.Effects) (wire.Ordered, error) {
	if op.Done() == nil {
		d.do(fx)
		return d.machine.Result(op, d.opt.Clock)
	}
	if !d.begin() {
		return wire.Ordered{}, fmt.Errorf("%w: the write was ordered, but this node is stopping", kv.ErrUnknown)
	}
	defer d.wg.Done()
	ctx, cancel := context.WithTimeout(ctx, orderTimeout*d.opt.Second)
	defer cancel()
	// The caller's own goroutine takes the first owner: with two copies, no other is needed.
	var first *replica.Replicate
	if len(fx.Replicates) > 0 {
		first, fx.Replicates = fx.Replicates[0], fx.Replicates[1:]
	}
	d.do(fx)
	if first != nil {
		d.replicate(first)
	}
	select {
	case <-op.Done():
	case <-ctx.Done():
		if err := d.machine.Abandon(op); err != nil {
			return wire.Ordered{}, err
		}
	case <-d.ctx.Done():
		if err := d.machine.Abandon(op); err != nil {
			return wire.Ordered{}, err
		}
	}
	return d.machine.Result(op, d.opt.Clock)
}
