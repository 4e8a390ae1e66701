package router

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/store"
)

// A bad copy that is replaced by a good one while it is looked at is gone; the good one
// stays, whichever came first.
func TestHealDropsOnlyWhatItLookedAt(t *testing.T) {
	secret, _ := uid.NewSecret([]byte("test"))
	s := store.New(store.Options{})
	defer s.Close()
	state := member.New(layout.Name{Base: "x"}, slog.New(slog.DiscardHandler))
	r := New(state, &owner.Owner{Secret: secret, Store: s}, nil, secret)
	value := bytes.Repeat([]byte("value"), 5<<20)
	u := secret.Sum(value)
	stage := func(b []byte) *store.Staged {
		staged, err := s.Stage(int64(len(b)))
		if err == nil {
			_, err = staged.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		return staged
	}
	good := stage(value)
	s.Install(u, stage(append([]byte("v"), value[:len(value)-1]...)), 0)
	healed := make(chan struct{})
	go func() {
		defer close(healed)
		_, _ = r.Heal(t.Context(), u) // it finds no other owner
	}()
	time.Sleep(2 * time.Millisecond) // now it looks at it, most likely
	s.Drop(u)
	s.Install(u, good, 0)
	<-healed
	v := s.Value(u)
	if v == nil {
		t.Fatal("the good copy was dropped")
	}
	defer v.Close()
	var got bytes.Buffer
	if err := kv.WriteChunks(io.Writer(&got), v); err != nil || !bytes.Equal(got.Bytes(), value) {
		t.Error("not the good copy")
	}
}

// While a corrupt copy is dropped and no good one is found, nobody takes the slot for whole (I3). It
// ends when there is a good one, whoever brought it, or when nobody has one any more.
func TestSlotIsNotWholeWhileItHeals(t *testing.T) {
	for name, c := range map[string]struct {
		anew bool
		want error
	}{
		"brought anew": {true, nil},
		"gone":         {false, kv.ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := newLister(t, 0)
				u := r.secret.Sum([]byte("value"))
				install := func(value string) {
					t.Helper()
					if _, err := r.owner.Store.InstallBytes(u, []byte(value), 0); err != nil {
						t.Error(err)
					}
				}
				install("other")
				whole := func() bool { return r.owner.Healing.Watch(u.Slot())() }
				before := r.owner.Healing.Watch(u.Slot())
				if !whole() {
					t.Error("nobody looked at the copy yet")
				}
				healed := make(chan error, 1)
				go func() {
					_, err := r.Heal(t.Context(), u)
					healed <- err
				}()
				synctest.Wait() // it pauses
				if r.owner.Store.Has(u) || whole() {
					t.Errorf("dropped: %v, whole: %v", !r.owner.Store.Has(u), whole())
				}
				if c.anew {
					install("value")
				}
				if err := <-healed; !errors.Is(err, c.want) || r.owner.Store.Has(u) != c.anew {
					t.Errorf("%v, here: %v", err, r.owner.Store.Has(u))
				}
				if !whole() || before() {
					t.Error("it is whole now, and was not all the time")
				}
			})
		})
	}
}
