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
