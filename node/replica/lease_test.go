package replica

import (
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

const (
	held  = 27 * time.Second / 10 // what a holder counts
	given = 33 * time.Second / 10 // what one who grants waits
)

// The holder counts from when it sent its beat, the one who grants from when it answers,
// and longer: whatever lies between, the first ends before the second (F8).
func TestLeaseEndsAtTheHolderFirst(t *testing.T) {
	w, p, b, c := three(t)
	w.now += time.Minute
	sent := w.now
	w.now += 400 * time.Millisecond // on its way there
	for _, n := range []*node{b, c} {
		if !n.Grant(idP, 1, w.now) {
			t.Fatal("not granted")
		}
	}
	answered := w.now
	w.now += 400 * time.Millisecond // and back
	p.Granted(idB, 1, sent)
	p.refuses(kv.CutOff) // one is missing (no stale read)
	p.Granted(idC, 1, sent)
	for _, at := range []struct {
		now  time.Duration
		held bool
	}{{w.now, true}, {sent + held - 1, true}, {sent + held, false}, {answered + given, false}} {
		w.now = at.now
		if got := p.State(slotK, w.now).Leased; got != at.held {
			t.Errorf("leased %v after %v", got, w.now-sent)
		}
	}
	if !b.leases.givenTo(idP, answered+given-1) || b.leases.givenTo(idP, answered+given) {
		t.Error("granted for another time than 1.1 L")
	}
}

// Answers that come in another order than they were given do not shorten a lease.
func TestLeasesOnlyGrow(t *testing.T) {
	w, p, b, _ := three(t)
	w.now += time.Second
	w.beats()
	p.Granted(idB, 1, w.now-time.Second)
	w.now += held - 1
	if !p.State(slotK, w.now).Leased {
		t.Error("an older answer shortened the lease")
	}
	b.Grant(idP, 1, w.now-2*held)
	if !b.leases.givenTo(idP, w.now+1) {
		t.Error("an older beat shortened what was granted")
	}
}

func TestGrants(t *testing.T) {
	t.Run("to an older epoch: refused", func(t *testing.T) {
		w, _, b, _ := three(t)
		w.adopt(owners(2, 1, serving(idP, idB, idC)...), idB)
		w.now += time.Minute
		if b.Grant(idP, 1, w.now) || b.leases.givenTo(idP, w.now) {
			t.Error("granted to one with an older layout")
		}
		if !b.Grant(idP, 2, w.now) || !b.Grant(idC, 3, w.now) {
			t.Error("refused to those who know as much or more")
		}
	})
	t.Run("by a newer epoch: does not count until it is adopted", func(t *testing.T) {
		w, p, _, _ := three(t)
		w.now += time.Minute
		p.Granted(idB, 1, w.now)
		p.Granted(idC, 2, w.now)
		p.refuses(kv.CutOff)
		w.adopt(owners(2, 1, serving(idP, idB, idC)...), idP)
		p.refuses(kv.CutOff)
		p.Granted(idC, 2, w.now)
		p.has("k", 0)
	})
	t.Run("by strangers: passed over", func(t *testing.T) {
		w, p, _, _ := three(t)
		w.now += time.Minute
		p.Granted(idB, 1, w.now)
		p.Granted(idD, 1, w.now)
		p.refuses(kv.CutOff)
		if len(p.leases.held) != 2 {
			t.Errorf("leases of %v", p.leases.held)
		}
	})
	t.Run("forgotten when they are over and when their members are gone", func(t *testing.T) {
		w, p, b, _ := three(t)
		w.now += given + 1
		b.Grant(idD, 1, w.now)
		if len(b.leases.given) != 1 {
			t.Errorf("granted to %v", b.leases.given)
		}
		w.adopt(owners(2, 2, serving(idP, idB)...), idP)
		if len(p.leases.held) != 1 {
			t.Errorf("leases of %v", p.leases.held)
		}
	})
}

// A node that is alone needs nobody's leave.
func TestAlone(t *testing.T) {
	w := newWorld(t, founded(idP), idP)
	p := w.nodes[idP]
	w.now += time.Hour
	op := p.order(put("k", 1))
	is(t, p.ended(op), nil)
	p.has("k", 1)
	if s := p.State(slotK, w.now); s != (SlotState{View: 1, Owner: true, Primary: true, Active: true, Leased: true, Complete: true}) {
		t.Errorf("%+v", s)
	}
}

// Watermarks go to those who are owners of the slots, as far as they were not told.
func TestMarks(t *testing.T) {
	l := founded(idP, idB, idC)
	half := l.Segments[0] // from slot 128 on, P orders with C alone
	half.Lo, half.Order = 128, []uint16{0, 2}
	l.Segments = append(l.Segments, half)
	w := newWorld(t, l, idP, idB, idC)
	w.beats()
	p := w.nodes[idP]
	var toldB, toldC [layout.Slots]kv.Version
	if b, c := len(p.Marks(idB, &toldB)), len(p.Marks(idC, &toldC)); b != 128 || c != 256 {
		t.Errorf("%d and %d marks of a new view", b, c)
	}
	p.order(put("k", 1))
	if n := len(p.Marks(idB, &toldB)); n != 0 {
		t.Errorf("%d marks while the write is under way", n)
	}
	w.run()
	want := kv.Version{View: 1, N: 1}
	if m := p.Marks(idB, &toldB); len(m) != 1 || m[0].Slot != slotK || m[0].Version != want {
		t.Errorf("marks %v", m)
	}
	if n := len(p.Marks(idB, &toldB)); n != 0 {
		t.Error("told again")
	}
	if n := len(w.nodes[idB].Marks(idP, new([layout.Slots]kv.Version))); n != 0 {
		t.Error("a backup has no watermarks to tell")
	}
	if n := len(p.Marks(idD, new([layout.Slots]kv.Version))); n != 0 {
		t.Error("a stranger is told of slots that it does not own")
	}
}
