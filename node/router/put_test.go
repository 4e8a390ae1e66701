package router

import (
	"errors"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// A value that is dropped the moment it is placed, by whoever found the copy corrupt
// that was there before, makes the write be refused and not the node crash.
func TestDroppedWhilePlaced(t *testing.T) {
	secret, _ := uid.NewSecret([]byte("test"))
	s := store.New(store.Options{})
	defer s.Close()
	o := &owner.Owner{Self: layout.ID{1}, Secret: secret, Store: s, Placed: func(u uid.UID) { s.Drop(u) }}
	r := New(nil, o, nil, secret)
	staged, err := s.Stage(5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staged.Write([]byte("value")); err != nil {
		t.Fatal(err)
	}
	src := source{staged: staged}
	if err := r.placeHere(wire.Place{UID: secret.Sum([]byte("value"))}, &src); !errors.Is(err, kv.ErrUnavailable) {
		t.Error(err)
	}
	src.close()
	staged.Discard()
}

// Whoever becomes an owner while a value is stored here may have asked what there is before:
// the value must be placed again, by the owners of now. And where nobody serves, none is
// placed.
func TestOwnersChangeWhileAValueIsPlacedHere(t *testing.T) {
	for name, c := range map[string]struct {
		view  uint64
		phase layout.Phase
		want  kv.Reason
	}{
		"the same owners":   {1, layout.Serving, ""},
		"other owners":      {2, layout.Serving, kv.Moved},
		"nobody serves yet": {0, layout.Attached, kv.NoPrimary},
	} {
		t.Run(name, func(t *testing.T) {
			r, state := newLister(t, 0)
			value := []byte("value")
			r.owner.Placed = func(uid.UID) { adopt(t, state, alone(3, max(1, c.view), state.Incarnation())) }
			if c.view == 0 {
				l := alone(2, 2, state.Incarnation())
				l.Members[0].Phase = c.phase
				adopt(t, state, l)
			}
			staged, err := r.owner.Store.Stage(int64(len(value)))
			if err == nil {
				_, err = staged.Write(value)
			}
			if err != nil {
				t.Fatal(err)
			}
			src := source{staged: staged}
			defer src.close()
			u := r.secret.Sum(value)
			err = r.place(t.Context(), state.Table(), wire.Place{UID: u}, &src)
			if kv.ReasonOf(err) != c.want || (c.want == "") != (err == nil) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if stored := r.owner.Store.Has(u); stored != (c.want != kv.NoPrimary) {
				t.Errorf("stored: %v", stored)
			}
			if c.want == kv.NoPrimary {
				staged.Discard()
			}
		})
	}
}
