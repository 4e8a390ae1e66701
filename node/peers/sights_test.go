package peers

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/wire"
)

// silent checks for how long others were silent, in milliseconds.
func (b *beating) silent(want map[layout.ID]int64) {
	b.t.Helper()
	got := make(map[layout.ID]int64)
	for _, s := range b.Sights() {
		got[s.Incarnation] = s.Silent
	}
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("silent for (-want +got):\n%s", diff)
	}
}

// half has the stranger be the primary of the second half of the slots, and this node one
// of its backups.
func (b *beating) half(l *layout.Layout) *layout.Layout {
	next := later(l)
	next.Segments = []layout.Segment{{View: 1, Order: []uint16{0, 1}}, {Lo: 128, View: next.Epoch, Order: []uint16{2, 0, 1}}}
	return next
}

// What this node sends must arrive: of those that it beats for, their own beats do not
// count. Of others their beats count, as long as they are to send any (F17).
func TestSights(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	var mute atomic.Bool
	o.pulses(func(r *peer.Request, _ wire.Beat) {
		if mute.Load() {
			r.Reply(peer.CodeRefused, nil, nil)
			return
		}
		pulse(r, wire.Pulse{Epoch: 3})
	})
	stranger := b.layout.Members[2].Incarnation
	b.Heard(o.id) // before anything is known of it
	b.begin()
	b.granted()
	b.pass(time.Second)
	b.silent(map[layout.ID]int64{o.id: 1000})
	mute.Store(true)
	b.Heard(o.id)
	b.Heard(stranger)
	b.silent(map[layout.ID]int64{o.id: 1000})
	half := b.half(b.layout)
	b.adopt(half)
	b.silent(map[layout.ID]int64{o.id: 1000})
	b.Heard(stranger)
	b.pass(500 * time.Millisecond)
	b.silent(map[layout.ID]int64{o.id: 1500, stranger: 500})
	mute.Store(false)
	for b.BeatSoon(); b.granted().sent != time.Hour+1500*time.Millisecond; b.BeatSoon() {
	}
	b.silent(map[layout.ID]int64{o.id: 0, stranger: 500})
	whole := later(half)
	whole.Segments = []layout.Segment{{View: 1, Order: []uint16{0, 1}}, {Lo: 128, View: whole.Epoch, Order: []uint16{1, 2}}}
	b.adopt(whole) // the stranger has no more reason to beat, and is not missed
	b.pass(time.Hour)
	b.silent(map[layout.ID]int64{o.id: 3600_000})
	b.adopt(b.half(whole))
	b.pass(time.Second)
	b.silent(map[layout.ID]int64{o.id: 3601_000, stranger: 1000}) // it had no reason before
}

func (b *beating) adopt(l *layout.Layout) {
	b.t.Helper()
	if err := b.state.Adopt(l); err != nil {
		b.t.Fatal(err)
	}
}

// One that has never answered is silent since it is beaten for, and not since something was
// asked of it long before.
func TestSilentSinceItIsBeatenFor(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	o.pulses(func(r *peer.Request, _ wire.Beat) { r.Reply(peer.CodeRefused, nil, nil) })
	b.link(b.m)
	b.pass(time.Hour)
	b.begin()
	b.pass(7 * time.Second)
	b.silent(map[layout.ID]int64{o.id: 7000})
	if b.Contacted() {
		t.Error("it was not contacted")
	}
}
