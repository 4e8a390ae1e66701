package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

const (
	// TicketAge is how many seconds old a ticket may be when its write is ordered. Values
	// that were placed within it are never freed (see node/reclaim).
	TicketAge = 3

	// orderTimeout is how long a write may wait for its turn or for its backups.
	orderTimeout = 5 * time.Second
	// A replicate that failed is sent again after so long, for as long as it takes.
	retryMin, retryMax = 50 * time.Millisecond, time.Second
)

// ErrTicket: the write's ticket is too old or another incarnation's. Nothing was done;
// the value must be placed again with a fresh one (F26).
var ErrTicket = errors.New("ticket expired")

// Entries is the memory that a Replica orders, see node/store.
type Entries interface {
	Entry(slot uint8, key string) (kv.Entry, bool)
	Apply(slot uint8, e *kv.Entry) (prev kv.Entry, hadPrev, applied bool)
	Forget(slot uint8, key string, v kv.Version) bool
	Refers(u uid.UID, in *[layout.Slots]bool) (slot uint8, ok bool)
	Room(bytes int64) bool // see store.Room
}

// Backups reaches the other owners, see node/peers.
type Backups interface {
	// Ready returns nil if the member is reachable and has room for an entry whose key and
	// content type have so many bytes, else kv.ErrUnavailable or kv.ErrNoMemory.
	Ready(m *layout.Member, bytes int64) error
	// Replicate returns nil once the member has the entry. Any error means that it may
	// or may not have it.
	Replicate(ctx context.Context, m *layout.Member, r *wire.Replicate) error
}

// Options are a Replica's parts.
type Options struct {
	Self    layout.ID
	Entries Entries
	Backups Backups
	// Dropped is told the uid of a value that no entry of this node refers to any more.
	Dropped   func(uid.UID)
	Now       func() time.Time // wall clock, for Modified
	TicketAge time.Duration    // TicketAge seconds; tests have short ones
}

// Replica is a node's part in the order of all slots that it owns.
type Replica struct {
	opt   Options
	slots [layout.Slots]slot
	busy  pendingRefs

	ctx    context.Context //nolint:containedctx // ends the retries when the node stops
	cancel context.CancelFunc
	wg     sync.WaitGroup
	ending sync.RWMutex // held while wg is added to, so that nothing begins once ctx has ended
}

// slot is one slot's state, of both roles; its lock guards all of it.
type slot struct {
	mu      sync.Mutex
	view    uint64
	primary *layout.Member
	others  []*layout.Member // who must acknowledge besides this node
	owner   bool             // this node acknowledges writes of the slot
	active  bool             // this node is its primary and may order and answer
	order   order
	backup  backup
}

// New returns a Replica that owns nothing until a layout is adopted.
func New(opt Options) *Replica {
	r := &Replica{opt: opt}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close gives up what is still being replicated and waits for it to end.
func (r *Replica) Close() {
	r.ending.Lock()
	r.cancel()
	r.ending.Unlock()
	r.wg.Wait()
}

// begin tells whether this is not the end yet, which then waits for wg.Done.
func (r *Replica) begin() bool {
	r.ending.RLock()
	defer r.ending.RUnlock()
	if r.ctx.Err() != nil {
		return false
	}
	r.wg.Add(1)
	return true
}

// Adopt makes the replica follow a layout. A slot whose view is unchanged goes on
// undisturbed. In a new view a slot is active only if its primary has served since the
// view began, as all members do that a cluster is founded with: nothing can have been
// acknowledged before. Any other view would first have to be reconciled.
func (r *Replica) Adopt(t *layout.Table) {
	for i := range r.slots {
		s, o := &r.slots[i], t.Owners(uint8(i))
		s.mu.Lock()
		if s.view != o.View {
			s.view = o.View
			for _, op := range s.order.pending { // while the slot is not active, nobody is told no
				r.busy.add(op.entry.UID, uint8(i), -1)
			}
			s.order = order{view: o.View}
			s.backup = backup{}
		}
		s.primary, s.owner, s.others = o.Primary, false, nil
		for _, m := range o.Ack {
			if m.Incarnation == r.opt.Self {
				s.owner = true
			} else {
				s.others = append(s.others, m)
			}
		}
		s.active = s.owner && s.primary != nil && s.primary.Incarnation == r.opt.Self && s.primary.JoinEpoch == s.view
		s.mu.Unlock()
	}
}

func (s *slot) notPrimary(n uint8) error {
	if s.primary == nil {
		return kv.Unavailable("slot %d has no primary", n)
	}
	return kv.Unavailable("slot %d is not active here; its primary is %s", n, s.primary.Name)
}

// Entry returns the committed entry of a key of slot n. kv.ErrUnavailable unless this node is the
// slot's active primary: only it knows what is committed, and only it may say that
// there is nothing.
func (r *Replica) Entry(n uint8, key string) (kv.Entry, error) {
	// The state is read before the right to answer is checked, so that a right lost in
	// between is noticed (F7).
	e, ok := r.opt.Entries.Entry(n, key)
	s := &r.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.active {
		return kv.Entry{}, s.notPrimary(n)
	}
	if !ok || e.Deleted {
		return kv.Entry{}, kv.ErrNotFound
	}
	return e, nil
}

// Order executes a write of a key of slot n that another node or this one asks for and returns once
// every owner has it. Errors: those of the conditions (kv.ErrPrecondition,
// kv.ErrNotFound), kv.ErrUnavailable, kv.ErrNoMemory and ErrTicket if nothing was done,
// and kv.ErrUnknown if it was ordered but is not known to be everywhere.
func (r *Replica) Order(ctx context.Context, n uint8, w *wire.Write, origin layout.ID) (wire.Ordered, error) {
	s := &r.slots[n]
	s.mu.Lock()
	if err := r.turn(ctx, s, n, w.Key); err != nil {
		s.mu.Unlock()
		return wire.Ordered{}, err
	}
	op, err := r.decide(s, n, w)
	if err != nil {
		s.mu.Unlock()
		return wire.Ordered{}, err
	}
	op.origin = origin
	if len(s.others) == 0 {
		r.apply(n, op)
		s.mu.Unlock()
		r.settled(op)
		return op.result(), nil
	}
	s.order.begin(op, s.others)
	r.busy.add(op.entry.UID, n, 1)
	others := s.others
	s.mu.Unlock()
	return r.replicate(ctx, n, op, others)
}

// turn waits, with the slot's lock, until no other operation on the key is under way.
func (r *Replica) turn(ctx context.Context, s *slot, n uint8, key string) error {
	if s.active && s.order.pending[key] == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	for {
		if !s.active {
			return s.notPrimary(n)
		}
		op := s.order.pending[key]
		if op == nil {
			return nil
		}
		s.mu.Unlock()
		select {
		case <-op.done:
		case <-ctx.Done():
		case <-r.ctx.Done():
		}
		s.mu.Lock()
		if ctx.Err() != nil || r.ctx.Err() != nil {
			return kv.Unavailable("another write of the key is still under way")
		}
	}
}

// decide judges and orders the write. After it, only success or unknown are left.
func (r *Replica) decide(s *slot, n uint8, w *wire.Write) (*operation, error) {
	var current *kv.Entry
	if e, ok := r.opt.Entries.Entry(n, w.Key); ok {
		current = &e
	}
	if !w.Delete {
		if err := r.admit(s, w); err != nil {
			return nil, err
		}
	}
	for _, m := range s.others {
		if err := r.opt.Backups.Ready(m, entryBytes(w)); err != nil && (!w.Delete || !errors.Is(err, kv.ErrNoMemory)) {
			return nil, err
		}
	}
	return s.order.decide(w, current, r.opt.Now().UnixNano())
}

// admit refuses what was placed too long ago or finds no room.
func (r *Replica) admit(s *slot, w *wire.Write) error {
	now := peer.Clock()
	if w.Ticket.Incarnation != r.opt.Self || w.Ticket.Clock > now || now-w.Ticket.Clock > uint64(r.opt.TicketAge/time.Millisecond) {
		return ErrTicket
	}
	if !r.opt.Entries.Room(entryBytes(w)) {
		return fmt.Errorf("%w at %s", kv.ErrNoMemory, s.primary.Name)
	}
	return nil
}

// entryBytes is what of a write's entry varies in length.
func entryBytes(w *wire.Write) int64 { return int64(len(w.Key) + len(w.ContentType)) }

// replicate sends an ordered operation to the other owners and waits for them.
func (r *Replica) replicate(ctx context.Context, n uint8, op *operation, others []*layout.Member) (wire.Ordered, error) {
	if !r.begin() {
		return wire.Ordered{}, fmt.Errorf("%w: the write was ordered, but this node is stopping", kv.ErrUnknown)
	}
	defer r.wg.Done()
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	for _, m := range others[1:] {
		r.wg.Go(func() { r.send(n, op, m) })
	}
	// The caller's own goroutine takes the first owner: with two copies, no other is needed.
	if !r.try(n, op, others[0]) {
		r.wg.Go(func() { r.send(n, op, others[0]) })
	}
	select {
	case <-op.done:
		return op.result(), nil
	case <-ctx.Done():
	case <-r.ctx.Done():
	}
	return wire.Ordered{}, fmt.Errorf("%w: the write was ordered, but not every owner of slot %d has confirmed it", kv.ErrUnknown, n)
}

// send sends an operation to one owner until it has it.
func (r *Replica) send(n uint8, op *operation, m *layout.Member) {
	for wait := retryMin; !r.try(n, op, m); wait = min(2*wait, retryMax) {
		select {
		case <-r.ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// try sends an operation to one owner once and tells whether that settled it.
func (r *Replica) try(n uint8, op *operation, m *layout.Member) bool {
	s := &r.slots[n]
	s.mu.Lock()
	if s.view != op.entry.Version.View {
		s.mu.Unlock()
		return true // acknowledgements of an old view do not count any more (F3)
	}
	msg := wire.Replicate{Slot: n, Watermark: s.order.watermark(), Entry: op.entry, Origin: op.origin, ID: op.id}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.ctx, orderTimeout)
	defer cancel()
	if err := r.opt.Backups.Replicate(ctx, m, &msg); err != nil {
		return false
	}
	s.mu.Lock()
	last := s.view == op.entry.Version.View && s.order.acknowledge(op, m.Incarnation)
	if last {
		// Applied before it stops pending: whoever asks for references sees one or the other.
		r.apply(n, op)
		s.order.finish(op)
	}
	s.mu.Unlock()
	if last {
		r.busy.add(op.entry.UID, n, -1)
		close(op.done)
		r.settled(op)
	}
	return true
}

// apply makes an operation that every owner has visible. A tombstone is not needed at
// the primary: it stores nothing that is sent to it.
func (r *Replica) apply(n uint8, op *operation) {
	r.opt.Entries.Apply(n, &op.entry)
	if op.entry.Deleted {
		r.opt.Entries.Forget(n, op.entry.Key, op.entry.Version)
	}
}

// settled hints at the value that an operation replaced, if this was its last key here.
func (r *Replica) settled(op *operation) {
	if op.prev.Key == "" || op.prev.UID == op.entry.UID {
		return
	}
	if _, ok := r.opt.Entries.Refers(op.prev.UID, nil); !ok {
		r.opt.Dropped(op.prev.UID)
	}
}

func (op *operation) result() wire.Ordered { return wire.Ordered{Entry: op.entry, Created: op.created} }
