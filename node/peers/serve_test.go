package peers

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// owned has the serving node and the asking one, in this order or the other, be the owners
// of all slots.
func (s *serving) owned(t *testing.T, order ...uint16) *layout.Layout {
	t.Helper()
	l := *s.layout
	l.Epoch++
	l.Members = slices.Clone(l.Members)
	l.Members[1].Phase = layout.Serving
	l.Segments = []layout.Segment{{View: l.Epoch, Order: order}}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	s.layout = &l
	return &l
}

func adopt(t *testing.T, a interface{ Adopt(*layout.Layout) error }, l *layout.Layout) {
	t.Helper()
	if err := a.Adopt(l); err != nil {
		t.Fatal(err)
	}
}

// A beat is answered with a lease only to those who know as much as this node: others get
// the layout that they lack, and whoever knows more is asked for that first.
func TestBeatsAreServed(t *testing.T) {
	s, p, m := newServing(t)
	var heard []layout.ID
	s.Heard = func(id layout.ID) { heard = append(heard, id) }
	beat := func() (wire.Pulse, error) {
		b := wire.Beat{}
		payload, err := p.call(t.Context(), m, time.Second, wire.OpBeat, b.Append(nil), nil)
		if err != nil {
			return wire.Pulse{}, err
		}
		return wire.ParsePulse(payload)
	}
	pulse, err := beat()
	if err != nil || pulse.Epoch != 3 || pulse.Credit <= 0 || len(heard) != 1 || heard[0] != p.state.Incarnation() {
		t.Errorf("%+v %v, heard of %v", pulse, err, heard)
	}
	adopt(t, s.State, later(s.layout))
	_, err = beat()
	is(t, err, ErrMoved)
	if len(heard) != 1 || p.state.Epoch() != 4 {
		t.Errorf("heard of %v, epoch %d: an older one was granted a lease", heard, p.state.Epoch())
	}
	if pulse, err = beat(); err != nil || pulse.Epoch != 4 {
		t.Errorf("%+v %v", pulse, err)
	}
	adopt(t, p.state, later(later(s.layout)))
	if pulse, err = beat(); err != nil || pulse.Epoch != 5 || s.State.Epoch() != 5 {
		t.Errorf("%+v %v, epoch %d", pulse, err, s.State.Epoch())
	}
}

// What is granted by a beat is kept: this node, if it becomes the primary, waits for it.
func TestBeatsGrant(t *testing.T) {
	for _, beats := range []bool{false, true} {
		s, p, m := newServing(t)
		l := s.owned(t, 1, 0) // the asking node is the primary
		adopt(t, s.State, l)
		if beats { // it does by itself, too, once it has the layout
			adopt(t, p.state, l)
			if _, err := p.call(t.Context(), m, time.Second, wire.OpBeat, (&wire.Beat{}).Append(nil), nil); err != nil {
				t.Fatal(err)
			}
		}
		alone := s.owned(t, 0)
		alone.Members = alone.Members[:1]
		adopt(t, s.State, alone)
		if active := s.Owner.Replica.State(7, clock.Now()).Active; active == beats {
			t.Errorf("with a lease granted %v it is active at once: %v", beats, active)
		}
	}
}

// Watermarks that come with a beat settle what the primary has settled.
func TestBeatsSettle(t *testing.T) {
	s, p, m := newServing(t)
	l := s.owned(t, 1, 0)
	adopt(t, p.state, l)
	key := "k"
	slot := secret.KeySlot(key)
	e := kv.Entry{Key: key, UID: uid.UID{1}, Version: kv.Version{View: 4, N: 1}}
	is(t, p.Replicate(t.Context(), m, &wire.Replicate{Slot: slot, Entry: e, Origin: layout.ID{8}, ID: 5}), nil)
	gather := func() []wire.Unsettled {
		t.Helper()
		g, err := p.Gather(t.Context(), m, &wire.Gather{Slots: []uint8{3, slot}, Views: []uint64{4, 4}})
		if err != nil || g.Slots != 2 {
			t.Fatalf("%+v %v", g, err)
		}
		return g.Ops
	}
	want := []wire.Unsettled{{Slot: slot, Entry: e, Origin: layout.ID{8}, ID: 5}}
	if diff := cmp.Diff(want, gather()); diff != "" {
		t.Errorf("unsettled (-want +got):\n%s", diff)
	}
	b := wire.Beat{Marks: []wire.Mark{{Slot: slot, Version: e.Version}}}
	if _, err := p.call(t.Context(), m, time.Second, wire.OpBeat, b.Append(nil), nil); err != nil {
		t.Fatal(err)
	}
	if ops := gather(); len(ops) != 0 {
		t.Errorf("unsettled: %+v", ops)
	}
}

// A gather is answered in the view that both follow, to its primary alone.
func TestGatherIsServed(t *testing.T) {
	s, p, m := newServing(t)
	gather := func() error {
		_, err := p.Gather(t.Context(), m, &wire.Gather{Slots: []uint8{7}, Views: []uint64{4}})
		return err
	}
	if err := gather(); kv.ReasonOf(err) != kv.Moved || s.State.Epoch() != 3 {
		t.Errorf("one who is no primary: %v", err)
	}
	first := s.owned(t, 1, 0)
	adopt(t, p.state, first)
	is(t, gather(), nil) // it takes the layout over before it answers
	if s.State.Epoch() != 4 {
		t.Errorf("epoch %d", s.State.Epoch())
	}
	adopt(t, s.State, s.owned(t, 0, 1))
	is(t, gather(), ErrMoved)
	if p.state.Epoch() != 5 {
		t.Errorf("the asking side is in epoch %d", p.state.Epoch())
	}
}

// An answer that does not fit the question is none.
func TestGatherThatDoesNotRead(t *testing.T) {
	key := "k"
	right := wire.Unsettled{Slot: secret.KeySlot(key), Entry: kv.Entry{Key: key}}
	wrong := right
	wrong.Slot++
	for name, c := range map[string]struct {
		reply wire.Gathered
		ok    bool
	}{
		"as it should be":       {wire.Gathered{Slots: 2, Ops: []wire.Unsettled{right}}, true},
		"in part":               {wire.Gathered{Slots: 1}, true},
		"more slots than asked": {wire.Gathered{Slots: 3}, false},
		"no slot":               {wire.Gathered{}, false},
		"a key of another slot": {wire.Gathered{Slots: 2, Ops: []wire.Unsettled{right, wrong}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			p, m, _ := newPeers(t, o, 1)
			o.call = func(r *peer.Request) { r.Reply(peer.CodeOK, c.reply.Append(nil), nil) }
			g, err := p.Gather(t.Context(), m, &wire.Gather{Slots: []uint8{1, right.Slot}, Views: []uint64{4, 4}})
			if c.ok {
				is(t, err, nil)
			} else {
				is(t, err, kv.ErrUnavailable)
				if g.Slots != 0 || g.Ops != nil {
					t.Errorf("%+v was taken", g)
				}
			}
		})
	}
}

// Whoever becomes an owner while a value is being stored may have asked what there is
// before that: the writer hears of the new owners, and places it there too.
func TestOwnersChangeWhileAValueIsPlaced(t *testing.T) {
	value := []byte("value")
	u := secret.Sum(value)
	at := wire.Place{UID: u, Witness: 9}
	for name, place := range map[string]func(t *testing.T, p *Peers, m *layout.Member) error{
		"small": func(t *testing.T, p *Peers, m *layout.Member) error { return p.Place(t.Context(), m, at, value) },
		"body": func(t *testing.T, p *Peers, m *layout.Member) error {
			return p.PlaceBody(t.Context(), m, at, &inlineValue{u, value})
		},
		"already there": func(t *testing.T, p *Peers, m *layout.Member) error {
			_, err := p.Touch(t.Context(), m, at)
			return err
		},
	} {
		for _, changed := range []bool{false, true} {
			s, p, m := newServing(t)
			if name == "already there" {
				if _, err := s.Owner.Store.InstallBytes(u, value, 0); err != nil {
					t.Fatal(err)
				}
			}
			next := later(s.layout) // the same owners
			if changed {
				next = s.owned(t, 0, 1)
			}
			s.Owner.Placed = func(uid.UID) { adopt(t, s.State, next) }
			err := place(t, p, m)
			if changed {
				is(t, err, ErrMoved)
			} else {
				is(t, err, nil)
			}
			if !s.Owner.Store.Has(u) {
				t.Errorf("%s: it is not stored", name)
			}
		}
	}
}

// Values are placed at owners only, and where somebody serves.
func TestWhereValuesArePlaced(t *testing.T) {
	value := []byte("value")
	at := wire.Place{UID: secret.Sum(value)}
	for name, c := range map[string]struct {
		order []uint16
		phase layout.Phase
		want  kv.Reason
	}{
		"at an owner":             {[]uint16{0, 1}, layout.Serving, ""},
		"at an attached one":      {[]uint16{1, 0}, layout.Attached, ""},
		"at none":                 {[]uint16{1}, layout.Serving, kv.Moved},
		"where nobody serves yet": {[]uint16{0}, layout.Attached, kv.NoPrimary},
	} {
		t.Run(name, func(t *testing.T) {
			s, p, m := newServing(t)
			s.Owner.Placed = func(uid.UID) {}
			l := s.owned(t, c.order...)
			l.Members[0].Phase = c.phase
			adopt(t, p.state, l)
			body := &inlineValue{at.UID, value}
			for what, err := range map[string]error{"place": p.Place(t.Context(), m, at, value), "body": p.PlaceBody(t.Context(), m, at, body)} {
				if kv.ReasonOf(err) != c.want {
					t.Errorf("%s: %v, want %s", what, err, c.want)
				}
			}
			if _, err := p.Touch(t.Context(), m, at); kv.ReasonOf(err) != c.want {
				t.Errorf("touch: %v, want %s", err, c.want)
			}
			if s.Owner.Store.Has(at.UID) != (c.want == "") {
				t.Error("it is stored where it should not be, or the other way round")
			}
		})
	}
}
