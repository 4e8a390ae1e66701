package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

// slotLost is the slot that was given up, and the value of which the first byte is that.
const slotLost = 200

// givenUp is the layout in which slotLost was given up, which P does not own, and all other
// slots have the owners that they had.
func givenUp(epoch, loss uint64, members ...layout.Member) *layout.Layout {
	l := owners(epoch, 1, members...)
	lost, rest := l.Segments[0], l.Segments[0]
	lost.Lo, lost.Loss, lost.View = slotLost, loss, max(1, loss)
	lost.Order = slices.DeleteFunc(slices.Clone(lost.Order), func(i uint16) bool { return members[i].Incarnation == idP })
	rest.Lo = slotLost + 1
	l.Segments = append(l.Segments, lost, rest)
	return l
}

// lossy is three, in which the value of k was lost with its slot, and that of j was not.
func lossy(t *testing.T) (w *world, p *node) {
	w, p, _, _ = three(t)
	p.order(put("k", slotLost))
	p.order(put("j", 1))
	w.run()
	w.adopt(givenUp(2, 2, serving(idP, idB, idC)...), idP, idB, idC)
	w.run()
	w.pass(given) // see TestGivenUpSlotIsEmpty
	w.beats()
	return w, p
}

// What refers to a lost value is neither promised nor denied until it is known whether the
// value exists (F28).
func TestSuspended(t *testing.T) {
	w, p := lossy(t)
	slots, generation := p.Suspended()
	if !slices.Equal(slots, []uint8{slotLost}) || p.Purged() != 0 || p.Lost() != 1 {
		t.Errorf("suspended %v, purged %d, lost %d", slots, p.Purged(), p.Lost())
	}
	hidden := func(want kv.Reason) {
		t.Helper()
		_, err := p.Entry(slotK, "k", w.clock)
		because(t, err, want)
		r, err := p.Read(p.epoch)
		if err == nil {
			err = r.Suspended()
		}
		because(t, err, want)
		because(t, p.ended(p.order(on(put("k", 1), 1))), want)
		because(t, p.ended(p.order(on(del("k"), 1))), want)
	}
	hidden(kv.ValueLost)
	because(t, p.ended(p.order(del("k"))), kv.ValueLost)
	p.has("j", 1)
	is(t, p.ended(p.order(on(put("j", 2), 9))), kv.ErrPrecondition)
	if !p.refers(slotLost) {
		t.Error("what is suspended counts as not referred to")
	}
	p.Cleared(slotLost, generation-1)
	p.Cleared(slotK, generation)
	hidden(kv.ValueLost)
	p.Cleared(slotLost, generation)
	hidden("")
	p.has("k", slotLost)
	if slots, _ := p.Suspended(); slots != nil || p.Purged() != 2 {
		t.Errorf("suspended %v, purged %d", slots, p.Purged())
	}
	w.adopt(givenUp(3, 0, serving(idP, idB, idC)...), idP)
	if p.Lost() != 0 || p.Purged() != 3 {
		t.Errorf("lost %d, purged %d", p.Lost(), p.Purged())
	}
}

// Whoever brings a value anew need not know that the old one was lost.
func TestWritesOverASuspendedKey(t *testing.T) {
	w, p := lossy(t)
	op := p.order(put("k", 7))
	w.run()
	is(t, p.ended(op), nil)
	p.has("k", 7)
}

// A purge removes the very entry that was looked at, suspended or not, and no later one.
func TestPurge(t *testing.T) {
	w, p := lossy(t)
	e, _ := p.store.Entry(slotK, "k")
	purge := func(key string, v kv.Version, want error) {
		t.Helper()
		op, fx := p.Purge(slotK, key, v, w.clock)
		p.take(fx)
		w.run()
		is(t, p.ended(op), want)
	}
	purge("k", kv.Version{View: 1, N: 99}, kv.ErrPrecondition)
	purge("k", e.Version, nil)
	if _, ok := p.store.Entry(slotK, "k"); ok {
		t.Error("it is still there")
	}
	p.order(put("k", slotLost+1)) // it is another one by now
	w.run()
	purge("k", e.Version, kv.ErrPrecondition)
	p.has("k", slotLost+1)
	p.order(put("i", slotLost))
	e, _ = p.store.Entry(slotK, "i")
	if e.UID[0] != 0 || !p.Unordered(slotLost) || p.Unordered(slotLost+1) {
		t.Error("a write under way that brings a value of the slot is not known")
	}
	w.run()
	if p.Unordered(slotLost) {
		t.Error("a write that has ended counts as under way")
	}
}

// What was cleared by a question from before another loss is not cleared.
func TestGenerations(t *testing.T) {
	w, p := lossy(t)
	_, before := p.Suspended()
	w.adopt(givenUp(3, 3, serving(idP, idB, idC)...), idP, idB, idC) // again
	p.Cleared(slotLost, before)
	if slots, _ := p.Suspended(); len(slots) != 1 {
		t.Error("cleared by what was known before the second loss")
	}
}

// A primary that takes over has entries that its predecessor may not have looked at. Until
// it has, it does not say that nothing refers to what was lost: not while it wakes either,
// or the author took the mark away before it began to look.
func TestSuspendedAgainOnTakingOver(t *testing.T) {
	w, _ := lossy(t)
	b := w.nodes[idB]
	_, generation := b.Suspended()
	b.Cleared(slotLost, generation) // it is no primary, and so it has nothing to look at
	if b.Purged() != 2 {
		t.Fatalf("purged %d", b.Purged())
	}
	next := givenUp(3, 2, serving(idB, idC)...)
	next.Dead = []layout.ID{idP}
	for i := range next.Segments {
		next.Segments[i].View = 3
	}
	w.adopt(next, idB, idC)
	if b.active() || b.Purged() != 0 {
		t.Errorf("while it wakes: active %v, purged %d", b.active(), b.Purged())
	}
	b.Cleared(slotLost, generation)
	w.run()
	w.beats()
	if !b.active() || b.Purged() != 0 {
		t.Errorf("active %v, purged %d", b.active(), b.Purged())
	}
	_, err := b.Entry(slotK, "k", w.clock)
	because(t, err, kv.ValueLost)
	_, now := b.Suspended()
	b.Cleared(slotLost, now)
	if b.Purged() != 3 {
		t.Errorf("purged %d", b.Purged())
	}
}

// The owners of a slot that was given up begin with nothing, not with what a copy had come
// to, and not before leases have run out that only the dead knew of.
func TestGivenUpSlotIsEmpty(t *testing.T) {
	lost := owners(3, 3, in(layout.Serving, 2, idB), in(layout.Serving, 2, idC))
	lost.Segments[0].Loss, lost.Dead = 3, []layout.ID{idP}
	w, _, b, c := three(t)
	for _, n := range []*node{b, c} {
		is(t, n.accept(idP, 0, version(1, 1, n.id[0])), nil)
	}
	w.adopt(lost, idB, idC)
	w.run()
	w.beats()
	for _, n := range []*node{b, c} {
		if s := n.store.Stats(); s.Keys != 0 || n.slots[slotK].backup.unsettled != nil {
			t.Errorf("%d begins with %d keys, unsettled %v", n.id[0], s.Keys, n.slots[slotK].backup.unsettled)
		}
	}
	w.pass(given - 1)
	w.beats()
	b.refuses(kv.TakingOver)
	w.pass(1)
	w.beats()
	b.has("k", 0)
	again := *lost
	again.Epoch = 4
	b.order(put("k", 5))
	w.run()
	w.adopt(&again, idB, idC)
	b.stores("k", 5) // the mark is the same one
}

// A write in flight whose value was placed before the loss was placed at those who died.
func TestPlacedBeforeTheLoss(t *testing.T) {
	w, p, _, _ := three(t)
	placed := p.epoch
	w.adopt(givenUp(2, 2, serving(idP, idB, idC)...), idP, idB, idC)
	w.run()
	w.pass(given + time.Second)
	w.run()
	w.beats()
	write := put("k", slotLost)
	write.Ticket.Incarnation, write.Ticket.Clock, write.Placed = idP, p.opt.Tick(), placed
	op, _ := p.Order(slotK, write, idClient, w.clock)
	is(t, p.ended(op), ErrTicket)
}
