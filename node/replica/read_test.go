package replica

import (
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// reads are all that a primary answers; each looks at the clock when it has read.
var reads = map[string]func(n *node, clock func() time.Duration) error{
	"entry": func(n *node, clock func() time.Duration) error {
		_, err := n.Entry(slotK, "k", clock)
		return err
	},
	"no entry": func(n *node, clock func() time.Duration) error {
		_, err := n.Entry(slotK, "none", clock)
		if err == kv.ErrNotFound { //nolint:errorlint // it is an answer, and returned as it is
			return nil
		}
		return err
	},
	"list": func(n *node, clock func() time.Duration) error { // see owner.List
		r, err := n.Read(n.epoch)
		if err != nil {
			return err
		}
		return r.Holds(clock())
	},
	"references": func(n *node, clock func() time.Duration) error {
		_, err := n.Refers([]wire.Ref{{UID: uid.UID{1}, Slot: slotK}}, n.epoch, clock)
		return err
	},
	"page": func(n *node, clock func() time.Duration) error {
		_, err := n.Page(slotK, "", pageBytes, n.epoch, clock)
		return err
	},
}

// An answer needs the right to give it before what it tells was read, and after (F7).
func TestReadsNeedTheRightAfterwards(t *testing.T) {
	sameOwners := owners(2, 1, serving(idP, idB, idC)...)
	for name, c := range map[string]struct {
		meanwhile func(w *world)
		want      kv.Reason // empty: it is answered
	}{
		"nothing":              {func(*world) {}, ""},
		"a moment before":      {func(w *world) { w.now += held - 1 }, ""},
		"the lease ends":       {func(w *world) { w.now += held }, kv.CutOff},
		"another primary":      {func(w *world) { w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP) }, kv.Moved},
		"other owners":         {func(w *world) { w.adopt(owners(2, 2, serving(idP, idB)...), idP) }, kv.Moved},
		"away, and back":       {awayAndBack, kv.Moved},
		"a layout that's none": {func(w *world) { w.adopt(sameOwners, idP) }, ""},
	} {
		for what, read := range reads {
			t.Run(what+": "+name, func(t *testing.T) {
				w, p, _, _ := three(t)
				p.order(put("k", 1))
				w.run()
				looked := false
				err := read(p, func() time.Duration {
					looked = true
					c.meanwhile(w)
					return w.now
				})
				because(t, err, c.want)
				if !looked || c.want == "" && err != nil {
					t.Errorf("%v, the clock was looked at: %v", err, looked)
				}
			})
		}
	}
}

// reading tells what was looked at.
type reading struct {
	memory
	looked bool
}

func (r *reading) Entry(slot uint8, key string) (kv.Entry, bool) {
	r.looked = true
	return r.memory.Entry(slot, key)
}

func (r *reading) Entries(slot uint8, after string, yield func(*kv.Entry) bool) {
	r.looked = true
	r.memory.Entries(slot, after, yield)
}

func (r *reading) Refers(u uid.UID, in *[layout.Slots]bool) (uint8, bool) {
	r.looked = true
	return r.memory.Refers(u, in)
}

// A lease that is looked at before the read may have run out when it is done (F7).
func TestTheClockIsLookedAtLast(t *testing.T) {
	for what, read := range reads {
		w, p, _, _ := three(t)
		p.order(put("k", 1))
		w.run()
		r := &reading{memory: memory{p.store}}
		p.opt.Entries = r
		clock := func() time.Duration {
			if !r.looked && what != "list" {
				t.Errorf("%s: the clock is looked at before the read", what)
			}
			return w.now
		}
		is(t, read(p, clock), nil)
	}
}

// awayAndBack has P be the active primary of another view than before.
func awayAndBack(w *world) {
	w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP, idB, idC)
	w.run()
	w.adopt(owners(3, 3, serving(idP, idB, idC)...), idP, idB, idC)
	w.run()
	w.beats()
	if !w.nodes[idP].active() {
		w.t.Error("P is not active again")
	}
}

func TestReadsAreRefused(t *testing.T) {
	attached := owners(2, 2, append(serving(idP, idB), in(layout.Attached, 2, idC))...)
	for name, c := range map[string]struct {
		layout *layout.Layout
		at     layout.ID
		entry  kv.Reason
		list   kv.Reason
	}{
		"by a backup":         {founded(idP, idB, idC), idB, kv.Moved, ""},
		"by a waking primary": {attached, idP, kv.TakingOver, kv.TakingOver},
		"where nobody serves": {owners(2, 2, in(layout.Attached, 2, idB), in(layout.Leaving, 2, idP)), idP, kv.NoPrimary, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, _, _ := three(t)
			w.adopt(c.layout, idP, idB, idC)
			n := w.nodes[c.at]
			n.refuses(c.entry)
			_, err := n.Page(slotK, "", pageBytes, n.epoch, w.clock)
			because(t, err, c.entry)
			_, err = n.Read(n.epoch)
			because(t, err, c.list)
			_, err = n.ask(1)
			because(t, err, c.list)
			if _, err = n.Refers([]wire.Ref{{Slot: slotK}}, n.epoch, w.clock); err == nil {
				t.Error("it speaks for a slot that is not its own (F27)")
			}
		})
	}
	t.Run("without a layout", func(t *testing.T) {
		_, err := New(Options{}).Entry(slotK, "k", func() time.Duration { return 0 })
		because(t, err, kv.NoPrimary)
	})
}

// Who asks about all slots by an older layout would take what this node does not own any
// more, or not yet, for what is not there.
func TestReadsOfAnOlderEpoch(t *testing.T) {
	w, p, b, _ := three(t)
	l := owners(5, 1, serving(idP, idB, idC)...)
	high := l.Segments[0]
	high.Lo, high.View, high.Order = 128, 4, []uint16{1, 0, 2}
	l.Segments = append(l.Segments, high)
	w.adopt(l, idP, idB, idC)
	w.run()
	w.beats()
	for _, n := range []*node{p, b} {
		for epoch := uint64(3); epoch <= 5; epoch++ {
			want := kv.Reason("")
			if epoch < 4 {
				want = kv.Moved
			}
			_, err := n.Read(epoch)
			because(t, err, want)
			_, err = n.Refers(nil, epoch, w.clock)
			because(t, err, want)
		}
	}
	_, err := b.Page(200, "", pageBytes, 3, w.clock)
	because(t, err, kv.Moved)
	_, err = b.Page(200, "", pageBytes, 4, w.clock)
	is(t, err, nil)
	r, err := p.Read(5)
	if err != nil || !r.Has(127) || r.Has(128) || !r.Slots()[0] || r.Slots()[255] {
		t.Errorf("%v: not the slots that it is the primary of", err)
	}
}
