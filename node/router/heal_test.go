package router

import (
	"bytes"
	"io"
	"log/slog"
	"testing"
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
