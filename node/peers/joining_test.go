package peers

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// newJoining is a primary of whose slots the other is to be an owner.
func newJoining(t *testing.T, o *other) *beating {
	b := newBeating(t, o)
	b.m.Phase = layout.Joining
	b.layout.Segments = []layout.Segment{{View: 1, Order: []uint16{0}}}
	return b
}

// says checks what is said of those who join.
func (b *beating) says(want ...peer.JoiningStatus) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.Joining()); diff != "" {
		b.t.Errorf("joining (-want +got):\n%s", diff)
	}
}

// One that answers is said to, from when the ping was sent, and is granted nothing and owes no
// room for it.
func TestJoiningAnswers(t *testing.T) {
	o := newOther(t)
	b := newJoining(t, o)
	o.call = func(r *peer.Request) {
		if r.Op != peer.OpPing {
			t.Errorf("asked %s", opName(r.Op))
		}
		b.pass(300 * time.Millisecond)
		r.Reply(peer.CodeOK, nil, nil)
	}
	b.begin()
	for !b.Joining()[0].Answered {
		time.Sleep(time.Millisecond)
	}
	b.says(peer.JoiningStatus{Incarnation: o.id, Answered: true, Silent: 300})
	b.pass(time.Second)
	b.says(peer.JoiningStatus{Incarnation: o.id, Answered: true, Silent: 1300})
	b.silent(map[layout.ID]int64{}) // it is no owner
	if b.Ready(b.m, 1) == nil {
		t.Error("it is ready for a write")
	}
}

// One that does not answer is silent since it is asked, and not as if it had just answered.
func TestJoiningDoesNotAnswer(t *testing.T) {
	for name, trouble := range map[string]func(o *other){
		"refuses":          func(o *other) { o.call = func(r *peer.Request) { r.Reply(peer.CodeRefused, nil, nil) } },
		"can't be dialled": func(o *other) { o.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			trouble(o)
			b := newJoining(t, o)
			b.pass(time.Hour)
			b.begin()
			b.says(peer.JoiningStatus{Incarnation: o.id})
			b.pass(7 * time.Second)
			b.says(peer.JoiningStatus{Incarnation: o.id, Silent: 7000})
		})
	}
}

// Only joining members are told of, and only while this node is the primary of their slots.
func TestWhoIsJoining(t *testing.T) {
	o := newOther(t)
	var mute atomic.Bool
	o.call = func(r *peer.Request) {
		if mute.Load() {
			r.Reply(peer.CodeRefused, nil, nil)
			return
		}
		r.Reply(peer.CodeOK, nil, nil)
	}
	b := newJoining(t, o)
	b.begin()
	for !b.Joining()[0].Answered {
		time.Sleep(time.Millisecond)
	}
	l := b.layout
	next := func(order []uint16, change func(m *layout.Member)) {
		n := later(l)
		n.Members = append([]layout.Member(nil), l.Members...)
		n.Segments = []layout.Segment{{View: n.Epoch, Order: order}, {Lo: 128, View: 1, Order: []uint16{0}}}
		change(&n.Members[1])
		b.adopt(n)
		l = n
	}
	half := func(m *layout.Member) { m.Name.Range = layout.Range{Lo: 0, Hi: 127} }
	mute.Store(true)
	next([]uint16{2}, func(*layout.Member) {})
	b.says(peer.JoiningStatus{Incarnation: o.id, Answered: true}) // it joins the second half, too
	next([]uint16{2}, half)
	b.says()
	next([]uint16{0}, half) // what it answered before was not this time
	b.says(peer.JoiningStatus{Incarnation: o.id})
	next([]uint16{0, 1}, func(m *layout.Member) { m.Phase = layout.Attached })
	b.says()
	b.silent(map[layout.ID]int64{o.id: 0})
}
