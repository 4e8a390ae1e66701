package reclaim

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

const (
	// Grace is for how many seconds a value must not have been touched before it is asked
	// about. It exceeds replica.TicketAge by more than the store's coarse clock is off.
	Grace = 5

	// ticks is how often in a second checks that are due are made and hints are sent.
	ticks = 4
	// batch is how many values one question is about.
	batch = 512
	// maxQueue bounds the values that wait for a check; a fast sweep covers the rest.
	maxQueue = 1 << 18
	// maxHints bounds the hints kept for one owner that can't be reached.
	maxHints = 1 << 15
)

// Values is the memory that is cleared, see node/store.
type Values interface {
	Age(u uid.UID) (store.Freeable, bool)
	SetWitness(u uid.UID, slot uint8, generation uint32)
	Free(u uid.UID, generation uint32) bool
	UIDs(slot uint8, after uid.UID, max int) []uid.UID
}

// Asker reaches the members, this node among them.
type Asker interface {
	// Refs asks a primary, by the layout of that epoch, which values entries refer to, see
	// wire.Answers. All that are asked about a value must be asked by one layout: a slot
	// that moves meanwhile from one who was not asked yet to one who was would be missed.
	Refs(ctx context.Context, m *layout.Member, refs []wire.Ref, epoch uint64) ([]int, error)
	// Hints tells an owner that values may have lost their last key.
	Hints(ctx context.Context, m *layout.Member, uids []uid.UID) error
}

// Options are a Reclaimer's parts.
type Options struct {
	Self   layout.ID
	Table  func() *layout.Table // nil without a layout
	Values Values
	Asker  Asker
	// Second is the length of a second of the store's clock; tests have short ones.
	Second time.Duration
	// Now is a monotonic clock, of which only differences count. Default: time since New.
	Now func() time.Duration
}

// Reclaimer frees the values of one node.
type Reclaimer struct {
	opt Options

	mu     sync.Mutex
	queue  []check                 // oldest first
	due    []uid.UID               // to be checked at once
	hints  map[uint8][]uid.UID     // for the owners of each slot, not sent yet
	owed   map[layout.ID][]uid.UID // by owner, sent and not received
	behind bool                    // something was not queued: sweep faster

	sweep   sweep
	serving serving
	freed   atomic.Int64
}

type check struct {
	uid  uid.UID
	from time.Duration // checked Grace after this
}

// New returns a Reclaimer; Run makes it work.
func New(opt Options) *Reclaimer {
	if opt.Now == nil {
		start := time.Now()
		opt.Now = func() time.Duration { return time.Since(start) }
	}
	return &Reclaimer{opt: opt, hints: make(map[uint8][]uid.UID), owed: make(map[layout.ID][]uid.UID)}
}

// Freed is how many values were freed so far.
func (r *Reclaimer) Freed() int64 { return r.freed.Load() }

// Waiting is how many values wait for a check.
func (r *Reclaimer) Waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) + len(r.due)
}

// Placed has a value checked that was just placed or touched here.
func (r *Reclaimer) Placed(u uid.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= maxQueue {
		r.behind = true
		return
	}
	r.queue = append(r.queue, check{u, r.opt.Now()})
}

// Hinted has a value checked soon: a primary dropped its last entry for it.
func (r *Reclaimer) Hinted(u uid.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.due) >= maxQueue {
		r.behind = true
		return
	}
	r.due = append(r.due, u)
}

// Dropped hints the value's owners that this node, a primary, has no entry for it any
// more.
func (r *Reclaimer) Dropped(u uid.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hints[u.Slot()] = append(r.hints[u.Slot()], u)
}

// Run works until the context ends.
func (r *Reclaimer) Run(ctx context.Context) {
	t := time.NewTicker(r.opt.Second / ticks)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			r.Round(ctx)
		}
	}
}

// Round is one piece of the work, to be done several times in a second. It is for one
// goroutine at a time.
func (r *Reclaimer) Round(ctx context.Context) {
	t := r.opt.Table()
	if t == nil {
		return
	}
	r.tell(ctx, t)
	r.sweep.follow(t)
	if !r.serving.long(t.Member(r.opt.Self), r.opt.Now(), (Grace+1)*r.opt.Second) {
		return
	}
	r.check(ctx, t, r.takeDue(r.opt.Now()), false)
	uids, standIn := r.sweep.next(r, t)
	r.check(ctx, t, uids, standIn)
}

// serving is since when this node serves. What it has not served for long it may not free:
// before, values were placed without it.
type serving struct {
	is    bool
	since time.Duration
}

// long tells whether a node has served for a time.
func (s *serving) long(me *layout.Member, now, atLeast time.Duration) bool {
	if me == nil || me.Phase != layout.Serving {
		s.is = false
		return false
	}
	if !s.is {
		s.is, s.since = true, now
	}
	return now-s.since > atLeast
}

// takeDue returns the values whose check is due.
func (r *Reclaimer) takeDue(now time.Duration) []uid.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.due
	r.due = nil
	n := 0
	// The store's clock has whole seconds: a second more makes sure that it agrees.
	for n < len(r.queue) && now-r.queue[n].from > (Grace+1)*r.opt.Second {
		out = append(out, r.queue[n].uid)
		n++
	}
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil
	}
	return out
}

// isBehind tells whether a value was left out, and forgets it.
func (r *Reclaimer) isBehind() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.behind
	r.behind = false
	return was
}

// candidate is a value that may be free.
type candidate struct {
	uid uid.UID
	store.Freeable
}

// check asks about values and frees those that no key refers to. Values that were
// touched too recently have a check of their own to come, unless this one stands in
// for checks that were left out: then there must be another.
func (r *Reclaimer) check(ctx context.Context, t *layout.Table, uids []uid.UID, standIn bool) {
	young := false
	for len(uids) > 0 && ctx.Err() == nil {
		n := min(batch, len(uids))
		var asked []candidate
		for _, u := range uids[:n] {
			f, ok := r.opt.Values.Age(u)
			switch {
			case !ok:
			case f.Touched >= Grace:
				asked = append(asked, candidate{u, f})
			default:
				young = true
			}
		}
		uids = uids[n:]
		r.free(ctx, t, asked)
	}
	if young && standIn {
		r.mu.Lock()
		r.behind = true
		r.mu.Unlock()
	}
}

// free asks the witnesses, then everyone about those whose witness said no.
func (r *Reclaimer) free(ctx context.Context, t *layout.Table, asked []candidate) {
	left := r.withoutWitness(ctx, t, asked)
	for _, m := range primaries(t) {
		if len(left) == 0 {
			return
		}
		left = r.unreferenced(ctx, m, left, t.Layout.Epoch)
	}
	for _, c := range left {
		if r.opt.Values.Free(c.uid, c.Generation) {
			r.freed.Add(1)
		}
	}
}

// withoutWitness returns the values whose witness says that it does not refer to them.
func (r *Reclaimer) withoutWitness(ctx context.Context, t *layout.Table, asked []candidate) (left []candidate) {
	by := make(map[layout.ID][]candidate)
	for _, c := range asked {
		if m := t.Owners(c.Witness).Primary; m != nil {
			by[m.Incarnation] = append(by[m.Incarnation], c)
		} else {
			r.Placed(c.uid) // later
		}
	}
	for _, m := range primaries(t) {
		if cs := by[m.Incarnation]; len(cs) > 0 {
			left = append(left, r.askWitness(ctx, m, cs, t.Layout.Epoch)...)
		}
	}
	return left
}

func (r *Reclaimer) askWitness(ctx context.Context, m *layout.Member, asked []candidate, epoch uint64) (left []candidate) {
	refs := make([]wire.Ref, len(asked))
	for i, c := range asked {
		refs[i] = wire.Ref{UID: c.uid, Slot: int(c.Witness)}
	}
	slots, err := r.opt.Asker.Refs(ctx, m, refs, epoch)
	for i, c := range asked {
		switch {
		case err != nil:
			r.Placed(c.uid)
		case slots[i] == wire.AnySlot:
			left = append(left, c)
		}
	}
	return left
}

// unreferenced returns the values that no entry of a primary refers to. Without an
// answer nothing may be freed: it is asked again later.
func (r *Reclaimer) unreferenced(ctx context.Context, m *layout.Member, asked []candidate, epoch uint64) (left []candidate) {
	refs := make([]wire.Ref, len(asked))
	for i, c := range asked {
		refs[i] = wire.Ref{UID: c.uid, Slot: wire.AnySlot}
	}
	slots, err := r.opt.Asker.Refs(ctx, m, refs, epoch)
	for i, c := range asked {
		switch {
		case err != nil:
			r.Placed(c.uid)
		case slots[i] == wire.AnySlot:
			left = append(left, c)
		default:
			r.opt.Values.SetWitness(c.uid, uint8(slots[i]), c.Generation)
		}
	}
	return left
}

// primaries returns the primaries of all slots, each once. If a slot has none, nobody
// can say no for it: a member that can't be reached stands in for it.
func primaries(t *layout.Table) (all []*layout.Member) {
	seen := make(map[layout.ID]bool)
	for s := range layout.Slots {
		m := t.Owners(uint8(s)).Primary
		if m == nil {
			m = &layout.Member{}
		}
		if !seen[m.Incarnation] {
			seen[m.Incarnation] = true
			all = append(all, m)
		}
	}
	return all
}
