package replica

import (
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// version is an entry of k; value 0 is a tombstone.
func version(view, n uint64, value byte) kv.Entry {
	return kv.Entry{Key: "k", UID: uid.UID{value}, Version: kv.Version{View: view, N: n}, Deleted: value == 0}
}

// accept has a backup accept an entry from a primary.
func (n *node) accept(from layout.ID, watermark uint64, e kv.Entry) error {
	return n.Accept(from, &wire.Replicate{Slot: slotK, Watermark: watermark, Entry: e})
}

func (n *node) settle(from layout.ID, view, watermark uint64) {
	n.Settle(from, []wire.Mark{{Slot: slotK, Version: kv.Version{View: view, N: watermark}}})
}

// A backup obeys the primary of its view alone (F4).
func TestWhomABackupObeys(t *testing.T) {
	for name, c := range map[string]struct {
		layout *layout.Layout
		from   layout.ID
		view   uint64
		want   kv.Reason
	}{
		"the primary":              {founded(idP, idB, idC), idP, 1, ""},
		"another owner":            {founded(idP, idB, idC), idC, 1, kv.Moved},
		"a stranger":               {founded(idP, idB, idC), idD, 1, kv.Moved},
		"of a view to come":        {founded(idP, idB, idC), idP, 2, kv.Moved},
		"of a view that is over":   {owners(2, 2, serving(idP, idB, idC)...), idP, 1, kv.Moved},
		"the primary that was":     {owners(2, 2, serving(idC, idB, idP)...), idP, 2, kv.Moved},
		"where it is no owner":     {owners(2, 2, in(layout.Serving, 1, idP), in(layout.Joining, 2, idB)), idP, 2, kv.Moved},
		"where there's no primary": {owners(2, 2, in(layout.Leaving, 1, idP), in(layout.Attached, 2, idB)), idP, 2, kv.Moved},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.layout, idB)
			b := w.nodes[idB]
			because(t, b.accept(c.from, 0, version(c.view, 1, 1)), c.want)
			_, err := b.Unsettled(c.from, asks(c.view, slotK))
			because(t, err, c.want)
			if _, ok := b.store.Entry(slotK, "k"); ok != (c.want == "") {
				t.Errorf("stored: %v", ok)
			}
		})
	}
	t.Run("without a layout", func(t *testing.T) {
		because(t, New(Options{}).Accept(idP, &wire.Replicate{}), kv.Moved)
	})
}

// A tombstone is kept until all owners have it; what is late then does not bring the key
// back (F23).
func TestTombstones(t *testing.T) {
	_, _, b, _ := three(t)
	is(t, b.accept(idP, 0, version(1, 1, 1)), nil)
	is(t, b.accept(idP, 1, version(1, 2, 0)), nil)
	b.settle(idC, 1, 2)
	b.settle(idP, 2, 2)
	b.settle(idP, 1, 1)
	if b.store.Stats().Tombstones != 1 {
		t.Fatal("a tombstone was forgotten too early")
	}
	b.settle(idP, 1, 2)
	if b.store.Stats().Tombstones != 0 {
		t.Fatal("a tombstone that is everywhere was kept")
	}
	for n := uint64(1); n <= 2; n++ {
		is(t, b.accept(idP, 0, version(1, n, byte(2-n))), nil) // it has it, in a manner of speaking
	}
	if e, ok := b.store.Entry(slotK, "k"); ok {
		t.Errorf("a deleted key came back: %+v", e)
	}
}

// What comes late or twice changes nothing; watermarks only go up.
func TestLateAndTwice(t *testing.T) {
	_, _, b, _ := three(t)
	is(t, b.accept(idP, 0, version(1, 3, 3)), nil)
	is(t, b.accept(idP, 0, version(1, 2, 2)), nil) // the older one comes later
	is(t, b.accept(idP, 0, version(1, 3, 3)), nil)
	b.stores("k", 3)
	if u := b.slots[slotK].backup.unsettled; len(u) != 2 {
		t.Errorf("unsettled: %v", u)
	}
	g, err := b.Unsettled(idP, asks(1, slotK))
	if err != nil || len(g.Ops) != 1 || g.Ops[0].Entry.Version.N != 3 {
		t.Errorf("told: %+v %v; of a key the newest is enough", g, err)
	}
	b.settle(idP, 1, 3)
	b.settle(idP, 1, 1)
	if s := &b.slots[slotK].backup; len(s.unsettled) != 0 || s.watermark != 3 {
		t.Errorf("%+v", s)
	}
	is(t, b.accept(idP, 0, version(1, 1, 1)), nil)
	b.stores("k", 3)
	if len(b.slots[slotK].backup.unsettled) != 0 {
		t.Error("what was settled is unsettled again")
	}
}

// What is unsettled in one view stays so in the next ones until the primary of one of them
// is active: then it was ordered anew, and the watermark of that settles it.
func TestUnsettledAcrossViews(t *testing.T) {
	w, _, b, _ := three(t)
	is(t, b.accept(idP, 0, version(1, 1, 1)), nil)
	is(t, b.accept(idP, 0, entry("h", 1, 2, 3)), nil)
	next := owners(2, 2, serving(idC, idB)...)
	w.adopt(next, idB)
	if b.slots[slotK].backup.watermark != 0 {
		t.Error("the watermark of the old view is still there")
	}
	b.settle(idP, 1, 1) // a beat that was on its way
	is(t, b.accept(idC, 0, entry("j", 2, 1, 2)), nil)
	is(t, b.accept(idC, 0, version(2, 2, 1)), nil)
	is(t, b.accept(idC, 2, entry("i", 2, 3, 4)), nil)
	told := func(want int) {
		t.Helper()
		if g, err := b.Unsettled(idC, asks(2, slotK)); err != nil || len(g.Ops) != want {
			t.Errorf("%v, %d unsettled, want %d", err, len(g.Ops), want)
		}
	}
	told(2) // h and i: C has told nothing of h yet
	if earlier := b.slots[slotK].earlier; len(earlier) != 1 {
		t.Errorf("primaries that may still be active: %v", earlier)
	}
	b.settle(idC, 2, 2)
	if earlier := b.slots[slotK].earlier; earlier != nil {
		t.Errorf("C is active, and yet primaries before it are waited for: %v", earlier)
	}
	if u := b.slots[slotK].backup.unsettled; len(u) != 1 || u[0].version != (kv.Version{View: 2, N: 3}) {
		t.Errorf("unsettled: %v", u)
	}
	b.settle(idC, 2, 3)
	told(0)
	b.stores("k", 1)
}

// Where a tombstone that was unsettled in an earlier view is replaced, it does not take the
// newer entry with it.
func TestOldTombstoneAndNewEntry(t *testing.T) {
	w, _, b, _ := three(t)
	is(t, b.accept(idP, 0, version(1, 1, 0)), nil)
	w.adopt(owners(2, 2, serving(idC, idB)...), idB)
	is(t, b.accept(idC, 0, version(2, 1, 5)), nil)
	b.settle(idC, 2, 1)
	b.stores("k", 5)
}
