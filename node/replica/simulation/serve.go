package simulation

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/wire"
)

// What is asked, besides the types of node/wire.
type (
	order struct {
		slot uint8
		wire.Write
	}
	lookup struct {
		slot uint8
		key  string
	}
	found struct {
		entry kv.Entry
		value bool // it is here, and came along
	}
	touch    struct{ wire.Place }
	fetchOne struct{ uid.UID }
	ping     struct{}
	refs     struct {
		wire.Refs
		epoch uint64 // of the layout that all primaries are asked by
	}
	hints  struct{ wire.UIDs }
	fetch  struct{ uids []uid.UID }
	push   struct{}
	status struct{}
)

// orderWait is for how long an operation is waited for.
const orderWait = 2500 * time.Millisecond

// serve answers a request as node/peers does: the receiver that is older adopts first; if
// the slots that it is about have a newer view than the sender's epoch, it is refused.
func (p *process) serve(m *message, answer func(reply)) {
	if m.to != (layout.ID{}) && m.to != p.id {
		p.sim.violated("%s gets a %T that is for %s (F11)", idName(p.id), m.body, idName(m.to))
	}
	p.adopt(m.newest)
	if p.dead {
		return
	}
	epoch := m.epoch
	if b, ok := m.body.(refs); ok {
		epoch = b.epoch
	}
	if err := p.current(epoch, p.viewOf(m.body)); err != nil {
		answer(p.failed(err))
		return
	}
	if p.quick(m, answer) {
		return
	}
	p.sim.spawn(p, fmt.Sprintf("%T", m.body), func(t *task) {
		body, err := p.slowly(t, m)
		if p.dead {
			return
		}
		r := p.failed(err)
		r.body = body
		answer(r)
	})
}

// viewOf is the newest view of the slots that a request is about.
func (p *process) viewOf(body any) func() uint64 {
	of := func(slot uint8) func() uint64 { return func() uint64 { return p.table.Owners(slot).View } }
	switch b := body.(type) {
	case order:
		return of(b.slot)
	case lookup:
		return of(b.slot)
	case *wire.Replicate:
		return of(b.Slot)
	case wire.Place:
		return of(b.UID.Slot())
	case touch:
		return of(b.UID.Slot())
	case fetchOne:
		return of(b.UID.Slot())
	case wire.Entries:
		return of(b.Slot)
	case wire.UIDsAfter:
		return of(b.Slot)
	case fetch:
		return of(b.uids[0].Slot())
	case *wire.Gather:
		return func() uint64 { return p.table.View(b.Slots...) }
	case refs:
		return func() uint64 { return p.table.NewestView() }
	}
	return func() uint64 { return 0 }
}

// current refuses a sender that does not know the view.
func (p *process) current(epoch uint64, view func() uint64) error {
	if p.table == nil {
		return nil // only the author asks such a node
	}
	if view() > epoch {
		return errMoved
	}
	return nil
}

func (p *process) failed(err error) reply {
	r := reply{err: err, epoch: p.epoch()}
	if errors.Is(err, errMoved) {
		r.stale = p.layout()
	}
	return r
}

// quick answers what waits for nothing.
func (p *process) quick(m *message, answer func(reply)) bool {
	var body any
	var err error
	switch b := m.body.(type) {
	case push:
	case status:
		body = p.status()
	case ping:
		body = wire.Ticket{Incarnation: p.id, Clock: uint64(p.clock() / time.Millisecond)}
	case *wire.Replicate:
		err = p.machine.Accept(m.from, b)
	case wire.Beat:
		// Not older than this node, and then it is granted (F9).
		if !p.machine.Grant(m.from, m.epoch, p.clock()) {
			err = errMoved
		} else {
			p.contact(m.from).heard = p.clock()
			p.machine.Settle(m.from, b.Marks)
		}
	case *wire.Gather:
		body, err = p.machine.Unsettled(m.from, b)
	case hints:
		for _, u := range b.UIDs.UIDs {
			p.freeing.Hinted(u)
		}
	default:
		return false
	}
	r := p.failed(err)
	r.body = body
	answer(r)
	return true
}

// slowly answers what may be stalled or waits for others.
func (p *process) slowly(t *task, m *message) (any, error) {
	switch b := m.body.(type) {
	case lookup:
		return p.lookup(t, &b)
	case order:
		return p.order(t, b.slot, &b.Write, m.from)
	case wire.Place:
		return nil, p.place(b, m.epoch)
	case touch:
		return p.touch(b.Place, m.epoch)
	case fetchOne:
		p.stall()
		if !p.mem.Has(b.UID) {
			return nil, kv.ErrGone
		}
		return nil, nil
	case refs:
		return p.refers(t, b.Refs.Refs, b.epoch)
	case wire.Entries:
		page, err := p.machine.Page(b.Slot, b.After, math.MaxInt64, m.epoch, p.looked)
		if err == nil {
			p.sim.mayAnswer(p, b.Slot)
		}
		return page, err
	case wire.UIDsAfter:
		return p.uids(b)
	case fetch:
		p.stall()
		return p.fetched(b.uids), nil
	}
	panic(fmt.Sprintf("nobody answers a %T", m.body))
}

func (p *process) lookup(t *task, q *lookup) (f found, err error) {
	t.reading(func() { f.entry, err = p.machine.Entry(q.slot, q.key, p.looked) })
	if err == nil || errors.Is(err, kv.ErrNotFound) {
		p.sim.mayAnswer(p, q.slot)
	}
	if err == nil {
		p.sim.committed(p, q.slot, &f.entry)
		f.value = p.mem.Has(f.entry.UID)
	}
	return f, err
}

func (p *process) refers(t *task, asked []wire.Ref, epoch uint64) (a wire.Answers, err error) {
	var mine []uint8
	for _, n := range p.sim.slots {
		if p.machine.State(n, p.clock()).Primary {
			mine = append(mine, n)
		}
	}
	t.reading(func() { a, err = p.machine.Refers(asked, epoch, p.looked) })
	if err == nil {
		p.sim.mayAnswer(p, mine...)
	}
	return a, err
}

// order executes a write here and waits for its end.
func (p *process) order(t *task, slot uint8, w *wire.Write, origin layout.ID) (wire.Ordered, error) {
	p.stall()
	op, fx := p.machine.Order(slot, w, origin, p.looked)
	p.run(fx)
	done, err := p.await(t, slot, op)
	if err == nil && !w.Delete {
		p.sim.truth.placed[placedEntry{w.Key, done.Entry.Version}] = w.Placed
	}
	return done, err
}

func (p *process) await(t *task, slot uint8, op *replica.Op) (wire.Ordered, error) {
	if op.Done() != nil && !ended(op) {
		wake := t.waker()
		p.waiting = append(p.waiting, &waiting{op, wake})
		p.sim.at(p.sim.now+orderWait, p, wake)
		t.wait()
		if !ended(op) {
			if err := p.machine.Abandon(op); err != nil {
				return wire.Ordered{}, err
			}
		}
	}
	done, err := p.machine.Result(op, p.looked)
	switch {
	case err == nil:
		p.sim.truth.acknowledged(p, &done.Entry)
	case errors.Is(err, kv.ErrNotFound), errors.Is(err, kv.ErrPrecondition):
		p.sim.mayAnswer(p, slot)
	}
	return done, err
}

func ended(op *replica.Op) bool {
	select {
	case <-op.Done():
		return true
	default:
		return false
	}
}

// owns refuses values of slots that this node does not own, and of those that nobody serves.
func (p *process) owns(slot uint8) error {
	owners := p.table.Owners(slot)
	if owners.Primary == nil {
		return kv.Refuse(kv.NoPrimary, "slot %d has none", slot)
	}
	for _, m := range owners.Ack {
		if m.Incarnation == p.id {
			return nil
		}
	}
	return kv.Refuse(kv.Moved, "not an owner of slot %d", slot)
}

// place stores a value. That the view is still the sender's is checked after it is stored:
// so it happened before this node adopts the next one.
func (p *process) place(b wire.Place, epoch uint64) error {
	if err := p.owns(b.UID.Slot()); err != nil {
		return err
	}
	p.stall()
	p.mem.keep(b.UID, b.Witness)
	p.stall()
	return p.current(epoch, p.viewOf(b))
}

func (p *process) touch(b wire.Place, epoch uint64) (bool, error) {
	if err := p.owns(b.UID.Slot()); err != nil {
		return false, err
	}
	p.stall()
	had := p.mem.Touch(b.UID, b.Witness)
	p.stall()
	return had, p.current(epoch, p.viewOf(b))
}

// uids lists values, two at a time, at a serving owner.
func (p *process) uids(q wire.UIDsAfter) (page wire.UIDPage, err error) {
	if !p.serves(q.Slot) {
		return page, kv.Refuse(kv.Moved, "slot %d is not served here", q.Slot)
	}
	p.stall()
	for _, v := range p.mem.Store.Values(q.Slot, q.After, 3) {
		if len(page.Values) == 2 {
			page.More = true
			break
		}
		page.Values = append(page.Values, wire.ValueInfo{UID: v.UID, Size: v.Size, Witness: v.Witness})
	}
	page.Bytes = p.mem.ValueBytes(q.Slot)
	return page, nil
}

func (p *process) serves(slot uint8) bool {
	for _, m := range p.table.Owners(slot).Serving {
		if m.Incarnation == p.id {
			return true
		}
	}
	return false
}

func (p *process) fetched(uids []uid.UID) []bool {
	here := make([]bool, len(uids))
	for i, u := range uids {
		here[i] = p.mem.Has(u)
	}
	return here
}
