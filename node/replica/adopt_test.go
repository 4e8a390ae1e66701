package replica

import (
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// A slot whose owners are the same goes on as if nothing were: who joins elsewhere, or
// goes, is none of its business.
func TestUnchangedView(t *testing.T) {
	w, p, b, _ := three(t)
	op := p.order(put("k", 1))
	sent := p.sent()
	w.deliver(sent[0])
	members := append(serving(idP, idB, idC), in(layout.Joining, 2, idD))
	w.adopt(owners(2, 1, members...), idP, idB, idC)
	if len(p.out) != 0 || !p.active() {
		t.Errorf("%d messages, active %v", len(p.out), p.active())
	}
	is(t, p.ended(op), errWaiting)
	p.has("k", 0)
	w.deliver(sent[1])
	is(t, p.ended(op), nil)
	p.has("k", 1)
	w.beats()
	if len(b.slots[slotK].backup.unsettled) != 0 {
		t.Error("a watermark of an unchanged view did not count")
	}
}

// A primary that stays primary sends what is under way to all owners of the new view. What
// it hears of the old ones does not count any more (F3).
func TestPendingIsReissued(t *testing.T) {
	w, p, b, c := three(t)
	w.nodes[idD] = newWorld(t, founded(idD), idD).nodes[idD]
	d := w.nodes[idD]
	d.w, w.order = w, append(w.order, idD)
	op, parked := p.order(put("k", 1)), p.order(on(put("k", 2), 1))
	old := p.sent()
	w.deliver(old[0]) // B has it
	w.arrive(old[1])  // C too, but its answer is late
	next := owners(2, 2, append(serving(idP, idB), in(layout.Attached, 2, idD))...)
	w.adopt(next, idP, idB, idD)
	if p.active() || len(p.out) != 2 {
		t.Fatalf("active %v, %d messages: all owners must be asked first", p.active(), len(p.out))
	}
	asked := p.sent()
	w.answer(old[1], nil, true)
	is(t, p.ended(op), errWaiting)
	for _, m := range asked {
		w.deliver(m)
	}
	w.answer(old[1], nil, true)
	is(t, p.ended(op), errWaiting)
	again := p.sent()
	if v := again[0].replicate.Msg.Entry.Version; len(again) != 2 || v != (kv.Version{View: 2, N: 1}) {
		t.Fatalf("%d messages, version %v", len(again), v)
	}
	w.answer(old[0], nil, true)
	w.deliver(again[0])
	is(t, p.ended(op), errWaiting)
	w.deliver(again[1])
	is(t, p.ended(op), nil)
	is(t, p.ended(parked), errWaiting)
	w.run()
	w.beats()
	is(t, p.ended(parked), nil) // it was judged by what went before it
	if !p.active() || p.slots[slotK].earlier != nil {
		t.Error("it waits for somebody, though it was the primary all the time")
	}
	p.has("k", 2)
	for _, n := range []*node{b, d} {
		n.stores("k", 2)
	}
	if _, ok := c.store.Entry(slotK, "k"); !ok {
		t.Error("C lost what it had")
	}
}

// An answer that was given in the old view and comes in the new one, before the operation
// is ordered anew: the owner that is new has nothing of it (F3).
func TestOldAcknowledgementInANewView(t *testing.T) {
	w, p, _, _ := three(t)
	op := p.order(put("k", 1))
	for _, m := range p.sent() {
		reply, ok := w.arrive(m)
		defer func() {
			w.answer(m, reply, ok)
			is(t, p.ended(op), errWaiting)
			p.stores("k", 0)
		}()
	}
	w.adopt(owners(2, 2, append(serving(idP), in(layout.Attached, 2, idD))...), idP)
}

// A primary that is one no more hands over: what it had under way is told to the next one,
// and who waits for it hears of it when that one has settled it. What was not ordered is
// refused: it can be tried again.
func TestHandedOver(t *testing.T) {
	w, p, b, c := three(t)
	first := p.order(put("j", 7))
	w.run()
	is(t, p.ended(first), nil)
	ops := []*Op{p.order(put("k", 1)), p.order(on(del("j"), 7))}
	parked := p.order(put("k", 3))
	lost := p.sent()
	w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP, idB, idC)
	because(t, p.ended(parked), kv.Moved)
	p.refuses(kv.Moved)
	if len(p.busy.refs) != 0 || len(p.slots[slotK].order.pending) != 0 {
		t.Error("it still counts as under way at the one who handed over")
	}
	w.run()
	for _, m := range lost { // what was sent before arrives now, or its failure is noticed
		if _, ok := w.arrive(m); ok {
			t.Error("a message of the old view was accepted")
		}
		w.answer(m, nil, true)
		w.answer(m, nil, false)
	}
	is(t, p.ended(ops[0]), errWaiting)
	is(t, p.Abandon(ops[0]), kv.ErrUnknown)
	w.beats() // B is active now, and says how far all is settled
	if !b.active() {
		t.Fatal("the next primary is not active")
	}
	for _, op := range ops {
		is(t, p.ended(op), nil)
	}
	is(t, p.Abandon(ops[0]), nil)
	b.has("k", 1)
	b.has("j", 0)
	for _, n := range []*node{p, b, c} {
		n.stores("k", 1)
		if s := n.store.Stats(); s.Tombstones != 0 || len(n.slots[slotK].backup.unsettled) != 0 {
			t.Errorf("%d: %d tombstones, unsettled %v", n.id[0], s.Tombstones, n.slots[slotK].backup.unsettled)
		}
	}
}

// Who waits where an operation was handed over hears nothing before the next primary is
// active: until then it may come to nothing here that others see.
func TestHandedOverIsNotAnsweredTooSoon(t *testing.T) {
	w, p, b, _ := three(t)
	op := p.order(put("k", 1))
	p.sent()
	w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP, idB, idC)
	for _, m := range b.sent() { // B gathers
		w.deliver(m)
	}
	sent := b.sent() // and orders anew
	for _, m := range sent[1:] {
		w.deliver(m)
	}
	w.beat(idB, idP)
	is(t, p.ended(op), errWaiting)
	w.deliver(sent[0])
	is(t, p.ended(op), errWaiting)
	w.beat(idB, idP)
	is(t, p.ended(op), nil)
}

// Handed over and taken back before the other one came to anything. Two nodes may have given
// their operations the same name.
func TestHandedBack(t *testing.T) {
	w, p, b, c := three(t)
	op := p.order(put("k", 1))
	ops := map[string]*Op{"k": op}
	for i, key := range []string{"a", "b", "c", "d", "e", "f"} {
		write := put(key, 2)
		write.Ticket, write.Placed, write.ID = wire.Ticket{Incarnation: idP, Clock: p.opt.Tick()}, 1, op.id
		ops[key], _ = p.Order(slotK, write, layout.ID{20, byte(i)}, w.clock)
	}
	p.sent()
	w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP, idB, idC)
	b.sent()
	w.adopt(owners(3, 3, serving(idP, idB, idC)...), idP, idB, idC)
	if !p.slots[slotK].owner || p.active() {
		t.Fatal("it has not woken yet")
	}
	w.run()
	for key, op := range ops {
		is(t, p.ended(op), nil)
		if o, _ := p.Result(op, w.clock); o.Entry.Key != key {
			t.Errorf("who wrote %s hears of %s", key, o.Entry.Key)
		}
	}
	if created := op.created; !created {
		t.Error("that the key was new is forgotten")
	}
	w.beats()
	p.has("k", 1)
	for _, n := range []*node{b, c} {
		n.stores("k", 1)
	}
	if len(p.busy.refs) != 0 {
		t.Errorf("still under way: %v", p.busy.refs)
	}
}

// Who is an owner no more does not hear of its successors' watermarks: it can only say that
// it does not know.
func TestRemoved(t *testing.T) {
	for name, next := range map[string]*layout.Layout{
		"from the layout": owners(2, 2, serving(idB, idC)...),
		"from the slot":   {Cluster: layout.ID{99}, Epoch: 2, Members: serving(idP, idB, idC), Segments: []layout.Segment{{View: 2, Order: []uint16{1, 2}}}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, _, _ := three(t)
			op, parked := p.order(put("k", 1)), p.order(put("k", 2))
			w.adopt(next, idP)
			is(t, p.ended(op), kv.ErrUnknown)
			is(t, p.Abandon(op), nil)
			because(t, p.ended(parked), kv.Moved)
			p.refuses(kv.Moved)
			if s := &p.slots[slotK]; s.backup.unsettled != nil || s.earlier != nil || len(p.busy.refs) != 0 {
				t.Errorf("something is left: %+v", s.backup)
			}
		})
	}
	t.Run("later", func(t *testing.T) {
		w, p, _, _ := three(t)
		op := p.order(put("k", 1))
		w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP)
		is(t, p.ended(op), errWaiting)
		w.adopt(owners(3, 3, serving(idB, idC)...), idP)
		is(t, p.ended(op), kv.ErrUnknown)
	})
}

// The founders' first view is active at once; a slot that was given up begins with nothing,
// but only when all its owners know of it.
func TestBeginnings(t *testing.T) {
	w := newWorld(t, founded(idP, idB), idP)
	if p := w.nodes[idP]; !p.active() || len(p.out) != 0 {
		t.Error("the founder is not active")
	}
	lost := founded(idP, idB)
	lost.Segments[0].Loss = 1
	w = newWorld(t, lost, idP)
	if p := w.nodes[idP]; p.active() || len(p.out) != 1 {
		t.Error("it begins in the place of others without asking anybody")
	}
	w = newWorld(t, owners(4, 4, serving(idP, idB)...), idP)
	if p := w.nodes[idP]; p.active() {
		t.Error("a node that came later takes itself for a founder")
	}
}

// What is handed over is in the memory of the one who was the primary: by then nobody may
// take it for committed there, nor for one that is not this node's. And nothing is granted
// any more to those whose layout is older.
func TestWhileHandedOver(t *testing.T) {
	w, p, _, _ := three(t)
	p.order(put("k", 1))
	hook := &onApply{memory: memory{p.store}, hook: func() {
		if p.slots[slotK].standing.Load().active {
			t.Error("readers may still read")
		}
		if p.Grant(idC, 1, w.now) {
			t.Error("an older layout is granted a lease")
		}
		for epoch := range uint64(3) {
			if _, err := p.Read(epoch); err == nil {
				t.Errorf("who asks about all slots of epoch %d hears nothing of this one", epoch)
			}
		}
	}}
	p.opt.Entries = hook
	w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP)
	if hook.applied != 1 {
		t.Errorf("applied %d times", hook.applied)
	}
}

// onApply tells of each entry that is applied.
type onApply struct {
	memory
	hook    func()
	applied int
}

func (e *onApply) Apply(slot uint8, entry *kv.Entry) (kv.Entry, bool, bool) {
	e.applied++
	e.hook()
	return e.memory.Apply(slot, entry)
}
