package replica

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// order is one slot's order of entries at its primary.
type order struct {
	view    uint64
	last    uint64           // n of the operation ordered last
	pending map[string]*Op   // ordered and not at every owner yet, by key
	parked  map[string][]*Op // not ordered: they wait for the pending one of their key
}

// Op is an operation on one key. Once ordered it is never given up.
type Op struct {
	slot    uint8
	write   *wire.Write // until it is ordered
	entry   kv.Entry
	created bool
	prev    kv.Entry // what it replaces; Key is empty if there was nothing
	origin  layout.ID
	id      uint64
	ordered bool
	purge   kv.Version // it removes an entry of this version, which refers to a lost value; zero: it does not
	missing []missing  // owners that have not acknowledged yet

	done     chan struct{} // closed at the end; nil if that came at once
	finished bool
	err      error
	judged   *standing // a refusal by the committed state counts only if this still holds
}

// missing is an acknowledgement that an operation waits for.
type missing struct {
	member   *layout.Member
	underWay bool
	again    time.Duration
	failures int
}

// Order begins a write of a key of slot n. The operation has ended already, or its Done is
// closed when it has; then Result tells. clock is looked at after the write is known to
// those who ask for references.
func (m *Machine) Order(n uint8, w *wire.Write, origin layout.ID, clock func() time.Duration) (*Op, Effects) {
	return m.order(&Op{slot: n, write: w, origin: origin, id: w.ID}, clock)
}

// Purge begins the deletion of an entry whose value was lost, if it is still of that version.
func (m *Machine) Purge(n uint8, key string, v kv.Version, clock func() time.Duration) (*Op, Effects) {
	return m.order(&Op{slot: n, write: &wire.Write{Key: key, Delete: true}, origin: m.opt.Self, purge: v}, clock)
}

func (m *Machine) order(op *Op, clock func() time.Duration) (*Op, Effects) {
	var fx Effects
	n, w := op.slot, op.write
	if !w.Delete {
		// Known first, then judged by its age: whoever asks before is told no, but then the
		// value was touched too recently for that to count (I5).
		op.entry.UID = w.UID
		m.busy.add(w.UID, n, 1)
	}
	now := clock()
	s := &m.slots[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	err := m.admit(s, w)
	st := s.standing.Load()
	if err == nil && !st.leased(now) {
		err = st.cutOff(n)
	}
	switch {
	case !st.active:
		m.refuseOp(op, s.notActive())
	case err != nil:
		m.refuseOp(op, err)
	case s.order.pending[w.Key] != nil:
		op.done = make(chan struct{})
		s.order.park(op)
	default:
		m.begin(s, op, &fx)
	}
	return op, fx
}

// admit refuses what was sent or placed too long ago, was placed by other owners, or finds no
// room.
func (m *Machine) admit(s *slot, w *wire.Write) error {
	switch {
	case w.Delete && w.Ticket == (wire.Ticket{}): // a purge, or from a node of before, whose deletions have none
		return nil
	case !m.recent(w.Ticket):
		return ErrTicket
	case w.Delete:
		return nil
	}
	if m.losses.viewOf(w.UID.Slot()) > w.Placed {
		return ErrTicket
	}
	if !m.opt.Entries.Room(entryBytes(w)) {
		return fmt.Errorf("%w at %s", kv.ErrNoMemory, s.primaryName())
	}
	return nil
}

// recent tells whether a ticket is this node's and not too old: a write that comes late, when
// whoever asked for it has long gone on, is not executed.
func (m *Machine) recent(t wire.Ticket) bool {
	now, age := m.opt.Tick(), uint64(TicketAge*m.opt.Second/time.Millisecond)
	return t.Incarnation == m.opt.Self && t.Clock <= now && now-t.Clock <= age
}

// entryBytes is what of a write's entry varies in length.
func entryBytes(w *wire.Write) int64 { return int64(len(w.Key) + len(w.ContentType)) }

// begin judges an operation, orders it and sends it off.
func (m *Machine) begin(s *slot, op *Op, fx *Effects) {
	if err := m.decide(s, op); err != nil {
		if errors.Is(err, kv.ErrPrecondition) || errors.Is(err, kv.ErrNotFound) {
			op.judged = s.standing.Load()
		}
		m.refuseOp(op, err)
		return
	}
	m.send(s, op, fx)
}

// decide judges a write by the key's committed entry, which no other operation is about
// to change (F1), and orders it.
func (m *Machine) decide(s *slot, op *Op) error {
	w := op.write
	for _, member := range s.others {
		if err := m.opt.Ready(member, entryBytes(w)); err != nil && (!w.Delete || !errors.Is(err, kv.ErrNoMemory)) {
			return s.lost(member, err)
		}
	}
	current, ok := m.opt.Entries.Entry(s.n, w.Key)
	if ok && current.Deleted {
		ok = false
	}
	if op.purge != (kv.Version{}) && op.purge != current.Version {
		return kv.ErrPrecondition
	}
	if ok && w.Conditional() && op.purge == (kv.Version{}) && m.losses.suspended(current.UID) {
		return errSuspended(w.Key)
	}
	// In this order: what would fail without conditions fails in the same way with them
	// (RFC 9110, section 13.2.1).
	if w.Delete && !ok {
		return kv.ErrNotFound
	}
	seen := &current
	if !ok {
		seen = nil
	}
	if !w.Cond.Allow(seen) {
		return kv.ErrPrecondition
	}
	s.order.assign(op, seen, m.opt.Wall().UnixNano())
	return nil
}

// assign gives an operation its place in the order.
func (o *order) assign(op *Op, current *kv.Entry, now int64) {
	w := op.write
	o.last++
	op.write, op.ordered, op.created = nil, true, current == nil
	op.entry = kv.Entry{
		Key: w.Key, UID: w.UID, Size: w.Size, ContentType: w.ContentType, Expires: w.Expires, Deleted: w.Delete,
		Version: kv.Version{View: o.view, N: o.last}, Modified: now,
	}
	if current != nil {
		op.prev = *current
		op.entry.Modified = max(now, current.Modified) // a key's time never runs backwards
	}
}

// send sends an ordered operation to all other owners; without any it is settled.
func (m *Machine) send(s *slot, op *Op, fx *Effects) {
	op.missing = op.missing[:0]
	if len(s.others) == 0 {
		m.settle(s, op, fx)
		return
	}
	if op.done == nil {
		op.done = make(chan struct{})
	}
	if s.order.pending == nil {
		s.order.pending = make(map[string]*Op)
	}
	s.order.pending[op.entry.Key] = op
	for _, member := range s.others {
		op.missing = append(op.missing, missing{member: member, underWay: true})
		fx.Replicates = append(fx.Replicates, s.replicate(op, member))
	}
}

func (s *slot) replicate(op *Op, to *layout.Member) *Replicate {
	return &Replicate{To: to, op: op, Msg: wire.Replicate{
		Slot: s.n, Watermark: s.order.watermark(), Entry: op.entry, Origin: op.origin, ID: op.id,
	}}
}

// resend sends again what failed and is due.
func (m *Machine) resend(s *slot, now time.Duration, fx *Effects) {
	for _, op := range s.order.inOrder() {
		for i := range op.missing {
			if a := &op.missing[i]; !a.underWay && a.again <= now && op.entry.Version.View == s.view {
				a.underWay = true
				fx.Replicates = append(fx.Replicates, s.replicate(op, a.member))
			}
		}
	}
}

// Replicated takes in what became of a Replicate: ok if the owner has acknowledged it.
// Acknowledgements of an old view do not count any more (F3).
func (m *Machine) Replicated(r *Replicate, ok bool, now time.Duration) Effects {
	var fx Effects
	s, op := &m.slots[r.Msg.Slot], r.op
	s.mu.Lock()
	defer s.mu.Unlock()
	v := r.Msg.Entry.Version
	if op.finished || op.entry.Version != v || v.View != s.view || s.order.pending[op.entry.Key] != op {
		return fx
	}
	i := slices.IndexFunc(op.missing, func(a missing) bool { return a.member.Incarnation == r.To.Incarnation })
	switch {
	case i < 0:
	case !ok:
		a := &op.missing[i]
		a.underWay, a.again = false, now+m.backoff(a.failures)
		a.failures++
	default:
		op.missing = slices.Delete(op.missing, i, i+1)
		if len(op.missing) == 0 {
			m.settle(s, op, &fx)
			m.progress(s, now, &fx)
		}
	}
	return fx
}

// settle ends an operation that every owner has: it is applied before it stops pending,
// so that whoever asks for references sees one or the other. Then it is the turn of those
// that wait for the key.
func (m *Machine) settle(s *slot, op *Op, fx *Effects) {
	m.opt.Entries.Apply(s.n, &op.entry)
	if op.entry.Deleted {
		// A tombstone is not needed here: nobody sends this node entries of its slots.
		m.opt.Entries.Forget(s.n, op.entry.Key, op.entry.Version)
	}
	delete(s.order.pending, op.entry.Key)
	m.busy.add(op.uid(), s.n, -1)
	if op.prev.Key != "" && op.prev.UID != op.entry.UID {
		if _, ok := m.opt.Entries.Refers(op.prev.UID, nil); !ok {
			fx.Dropped = append(fx.Dropped, op.prev.UID)
		}
	}
	op.succeed()
	m.proceed(s, op.entry.Key, fx)
}

// proceed begins what waits for a key, unless something is under way or this node is not
// active: it then waits until it is.
func (m *Machine) proceed(s *slot, key string, fx *Effects) {
	for s.standing.Load().active && s.order.pending[key] == nil {
		next := s.order.unpark(key)
		if next == nil {
			return
		}
		m.begin(s, next, fx)
	}
}

// Abandon ends the waiting for an operation, and tells how it stands: nil if it has ended.
func (m *Machine) Abandon(op *Op) error {
	s := &m.slots[op.slot]
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case op.finished:
		return nil
	case op.ordered:
		return fmt.Errorf("%w: the write was ordered, but not every owner of slot %d has confirmed it", kv.ErrUnknown, op.slot)
	}
	s.order.drop(op)
	err := kv.Refuse(kv.Busy, "another write of the key is still under way")
	m.refuseOp(op, err)
	return err
}

// refuseOp ends an operation that was not ordered.
func (m *Machine) refuseOp(op *Op, err error) {
	m.busy.refuse(op.uid(), op.slot)
	op.fail(err)
}

func (op *Op) succeed() { op.fail(nil) }

func (op *Op) fail(err error) {
	if op == nil || op.finished {
		return
	}
	op.finished, op.err = true, err
	if op.done != nil {
		close(op.done)
	}
}

// Done is closed when the operation has ended; nil if it had before Order returned.
func (op *Op) Done() <-chan struct{} { return op.done }

// Result tells how an operation ended: errors are those of the conditions
// (kv.ErrPrecondition, kv.ErrNotFound), kv.ErrUnavailable, kv.ErrNoMemory and ErrTicket if
// nothing was done, and kv.ErrUnknown. A refusal by the conditions is an answer by what is
// committed, for which the right to answer must still be there (F7).
func (m *Machine) Result(op *Op, clock func() time.Duration) (wire.Ordered, error) {
	if op.judged != nil {
		if err := m.slots[op.slot].holds(op.judged, clock()); err != nil {
			return wire.Ordered{}, err
		}
	}
	return wire.Ordered{Entry: op.entry, Created: op.created}, op.err
}

func (o *order) park(op *Op) {
	if o.parked == nil {
		o.parked = make(map[string][]*Op)
	}
	o.parked[op.write.Key] = append(o.parked[op.write.Key], op)
}

// unpark takes the first that waits for a key.
func (o *order) unpark(key string) *Op {
	ops := o.parked[key]
	if len(ops) == 0 {
		return nil
	}
	o.drop(ops[0])
	return ops[0]
}

func (o *order) drop(op *Op) {
	key := op.write.Key
	rest := slices.DeleteFunc(slices.Clone(o.parked[key]), func(p *Op) bool { return p == op })
	if len(rest) == 0 {
		delete(o.parked, key)
		return
	}
	o.parked[key] = rest
}

func (o *order) parkedKeys() []string { return slices.Sorted(maps.Keys(o.parked)) }

// inOrder returns what is pending in the order of its versions.
func (o *order) inOrder() []*Op {
	return slices.SortedFunc(maps.Values(o.pending), func(a, b *Op) int {
		return cmp.Compare(a.entry.Version.N, b.entry.Version.N)
	})
}

// watermark is the highest n up to which every operation of this view is at every owner.
func (o *order) watermark() uint64 {
	w := o.last
	for _, op := range o.pending {
		if op.entry.Version.View == o.view {
			w = min(w, op.entry.Version.N-1)
		}
	}
	return w
}
