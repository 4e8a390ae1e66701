package replica

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// withoutP has P gone: B is the primary, C the other owner.
func withoutP(epoch uint64, dead ...layout.ID) *layout.Layout {
	l := owners(epoch, epoch, serving(idB, idC)...)
	l.Dead = dead
	return l
}

// A new primary asks all owners before it orders anything, orders anew what any of them
// has, and answers only when all have that (R7, R8, F2).
func TestWaking(t *testing.T) {
	w, p, b, c := three(t)
	op := p.order(put("k", 1))
	w.deliver(p.sent()[1]) // only C has it
	w.adopt(withoutP(2, idP), idB, idC)
	gather := b.sent()
	if len(gather) != 1 || gather[0].gather == nil || gather[0].to != idC || len(gather[0].gather.Slots) != layout.Slots {
		t.Fatalf("B begins with %+v", gather)
	}
	b.refuses(kv.TakingOver)
	c.refuses(kv.Moved)
	w.deliver(gather[0])
	again := b.sent()
	if len(again) != 1 || again[0].replicate.Msg.Entry.Version != (kv.Version{View: 2, N: 1}) || again[0].replicate.Msg.ID != op.id {
		t.Fatalf("B orders anew %+v", again)
	}
	b.refuses(kv.TakingOver)
	w.deliver(again[0])
	b.refuses(kv.TakingOver) // it is active, and has not beaten yet
	w.beats()
	b.has("k", 1)
}

// What a primary heard of the others when it was one before says nothing: they are there once
// they have answered a beat of its new view. Until then it is taking over; later they are lost.
func TestPrimaryAgain(t *testing.T) {
	lost := kv.Refuse(kv.OwnerLost, "it is not there")
	for name, away := range map[string]time.Duration{"its lease is still there": held / 2, "its lease has run out": 2 * held} {
		t.Run(name, func(t *testing.T) {
			w, p, _, _ := three(t)
			w.beats()
			w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP, idB, idC)
			w.run()
			w.now += away
			w.adopt(owners(3, 3, serving(idP, idB, idC)...), idP, idB, idC)
			w.run()
			if s := p.State(slotK, w.now); !s.Active {
				t.Fatal("it is not active again")
			}
			p.ready[idC] = lost
			because(t, p.ended(p.order(put("k", 1))), kv.TakingOver)
			p.Granted(idB, 3, w.now)
			p.Granted(idC, 3, w.now)
			because(t, p.ended(p.order(put("k", 1))), kv.OwnerLost)
			w.now += held
			p.refuses(kv.CutOff)
		})
	}
}

// Every owner is asked until it has answered, and each answer counts once.
func TestEveryOwnerIsAsked(t *testing.T) {
	w, p, b, _ := three(t)
	p.order(put("k", 1))
	p.sent()
	w.adopt(owners(2, 2, serving(idB, idC, idP)...), idB, idC) // P does not know yet
	for _, m := range b.sent() {
		w.deliver(m)
	}
	if len(b.out) != 0 {
		t.Fatal("something is ordered or asked though P has not answered")
	}
	asked := 0
	for range 2400 { // a minute, in which P is asked again and again, and C is not
		w.pass(25 * time.Millisecond)
		for _, m := range b.sent() {
			if m.to != idP {
				t.Fatal("C is asked again")
			}
			w.deliver(m)
			asked++
		}
	}
	if b.active() || asked < 60 || asked > 70 {
		t.Fatalf("active %v, asked %d times", b.active(), asked)
	}
	w.adopt(owners(2, 2, serving(idB, idC, idP)...), idP)
	w.pass(time.Second)
	w.run()
	w.beats()
	b.has("k", 1) // what was under way at P alone
	p.stores("k", 1)
}

// Of each key the newest operation is taken, wherever it is: the older ones were settled
// before it could be ordered.
func TestNewestOfEachKey(t *testing.T) {
	w, p, b, c := three(t)
	both := func(write *wire.Write) {
		p.order(write)
		w.run()
	}
	both(put("a", 1)) // settled, though B and C do not know it
	both(put("b", 2))
	p.order(put("a", 3))
	w.deliver(p.sent()[1]) // C has a=3, B has a=1
	p.order(del("b"))
	w.deliver(p.sent()[0]) // B has the tombstone, C has b=2
	p.order(put("c", 4))
	p.sent() // nobody has it
	w.adopt(withoutP(2, idP), idB, idC)
	w.run()
	w.beats()
	b.has("a", 3)
	b.has("b", 0)
	b.has("c", 0)
	for _, n := range []*node{b, c} {
		n.stores("a", 3)
		n.stores("b", 0)
		if s := n.store.Stats(); s.Keys != 1 || s.Tombstones != 0 || len(n.slots[slotK].backup.unsettled) != 0 {
			t.Errorf("%d: %d keys, %d tombstones, unsettled %v", n.id[0], s.Keys, s.Tombstones, n.slots[slotK].backup.unsettled)
		}
	}
	if !b.refers(3) || b.refers(1) || b.refers(2) || len(b.busy.refs) != 0 {
		t.Errorf("what is referred to is not what there is; under way: %v", b.busy.refs)
	}
	b.order(put("a", 5))
	w.run()
	b.has("a", 5)
}

// A new primary waits until the leases have run out that it gave to the primaries before
// it, unless they are proven dead or follow it.
func TestFence(t *testing.T) {
	for name, c := range map[string]struct {
		next  func(w *world)
		waits bool
	}{
		"removed":           {func(w *world) { w.adopt(withoutP(2), idB, idC) }, true},
		"removed, and dead": {func(w *world) { w.adopt(withoutP(2, idP), idB, idC) }, false},
		"it follows":        {func(w *world) { w.adopt(owners(2, 2, serving(idB, idC, idP)...), idB, idC, idP) }, false},
		"removed later": {func(w *world) {
			w.adopt(owners(2, 2, serving(idB, idC, idP)...), idB, idC)
			w.nodes[idB].sent()
			w.adopt(withoutP(3), idB, idC)
		}, true},
		"removed after it followed": {func(w *world) {
			w.adopt(owners(2, 2, serving(idB, idC, idP)...), idB, idC, idP)
			w.run()
			w.beat(idP, idB) // for another slot
			w.adopt(withoutP(3), idB, idC)
		}, false},
		"another one was about to be": {func(w *world) {
			l := owners(2, 2, serving(idC, idB)...) // C, which wakes, but is gone before that
			w.adopt(l, idB, idC)
			if !w.beat(idC, idB) {
				t.Fatal("not granted")
			}
			l = owners(3, 3, serving(idB)...)
			l.Dead = []layout.ID{idP}
			w.adopt(l, idB)
		}, true},
		"it was not known to be active": {func(w *world) {
			w.adopt(owners(2, 2, serving(idC, idB)...), idB, idC)
			w.nodes[idC].sent()
			w.adopt(owners(3, 3, serving(idB, idC)...), idB, idC) // P may still be, though it is not the last one
		}, true},
		"it was known to be active": {func(w *world) {
			l := owners(2, 2, serving(idC, idB)...)
			l.Dead = []layout.ID{idP}
			w.adopt(l, idB, idC)
			w.run()
			w.beats() // C says that all is settled
			w.adopt(owners(3, 3, serving(idB, idC)...), idB, idC)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, b, _ := three(t)
			granted := w.now
			c.next(w)
			w.run()
			if b.active() == c.waits || b.active() != (b.woken > 0) {
				t.Fatalf("active %v, which was said %d times", b.active(), b.woken)
			}
			w.pass(granted + given - 1 - w.now)
			if b.active() == c.waits {
				t.Errorf("a moment before the lease ends: active %v", b.active())
			}
			w.pass(1)
			if !b.active() || b.woken == 0 {
				t.Errorf("active %v, which was said %d times: it waits longer than the lease lasts", b.active(), b.woken)
			}
		})
	}
}

// What is ordered anew waits for the fence too: readers see it when it may not be taken
// back, but the owners have it at once.
func TestOrderedAnewBeforeTheFenceIsOpen(t *testing.T) {
	w, p, b, c := three(t)
	p.order(put("k", 1))
	w.deliver(p.sent()[1])
	w.adopt(withoutP(2), idB, idC)
	w.run()
	b.stores("k", 1)
	c.stores("k", 1)
	w.beats()
	b.refuses(kv.TakingOver)
	if marks := b.Marks(idC, new([layout.Slots]kv.Version)); len(marks) != 0 {
		t.Error("it tells watermarks before it is active")
	}
	w.pass(given)
	w.beats()
	b.has("k", 1)
}

// Answers of another view, or of nobody, change nothing.
func TestLateAnswers(t *testing.T) {
	w, _, b, _ := three(t)
	w.adopt(withoutP(2, idP), idB, idC)
	old := b.sent()
	w.adopt(withoutP(3, idP), idB)
	w.answer(old[0], &wire.Gathered{Slots: layout.Slots}, true)
	if b.active() {
		t.Error("an answer of view 2 counts in view 3")
	}
	w.adopt(withoutP(3, idP), idC)
	w.run()
	w.beats()
	if !b.active() {
		t.Fatal("it does not come to an end")
	}
	w.answer(old[0], nil, false)
	w.answer(old[0], &wire.Gathered{Slots: 1, Ops: []wire.Unsettled{{Slot: slotK, Entry: kv.Entry{Key: "k", UID: uid.UID{1}}}}}, true)
	w.run()
	b.has("k", 0)
}

// An answer has room for some slots only: the others are asked for again, at once.
func TestGatherInPieces(t *testing.T) {
	w, p, b, c := three(t)
	var all []*wire.Write
	for i := range 300 { // two of three slots have more than half an answer's worth
		all = append(all, put(strings.Repeat("k", 3500)+fmt.Sprint(i), 1))
	}
	for i, write := range all {
		write.Ticket, write.Placed, write.ID = wire.Ticket{Incarnation: idP, Clock: p.opt.Tick()}, 1, uint64(i)
		op, fx := p.Order(uint8(i%3), write, idClient, w.clock)
		is(t, p.ended(op), errWaiting)
		w.answer(message{from: p, to: idC, replicate: fx.Replicates[1]}, nil, c.Accept(idP, &fx.Replicates[1].Msg) == nil)
	}
	w.adopt(withoutP(2, idP), idB, idC)
	asked := 0
	isGather := func(m message) bool { return m.gather != nil }
	for i := 0; i >= 0; i = slices.IndexFunc(b.out, isGather) {
		m := b.out[i]
		b.out = slices.Delete(b.out, i, i+1)
		reply, ok := w.arrive(m)
		if size := len(reply.Append(nil)); !ok || size > 2*gatherBytes {
			t.Fatalf("an answer of %d bytes, %v", size, ok)
		}
		w.answer(m, reply, ok)
		asked++
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	if len(b.out) != len(all) {
		t.Errorf("%d operations are ordered anew, want %d", len(b.out), len(all))
	}
	w.run()
	w.beats()
	if keys := b.store.Stats().Keys; keys != len(all) || !b.active() {
		t.Errorf("%d keys, active: %v", keys, b.active())
	}
	if _, err := c.Unsettled(idP, asks(2, 1, 2)); kv.ReasonOf(err) != kv.Moved {
		t.Errorf("P is still told: %v", err)
	}
}
