package router

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
)

type memory struct{ *store.Store }

func (m memory) Clear(slot uint8) { m.Store.Clear(slot) }

// newLister is the router of a node that is alone and has some keys.
func newLister(t *testing.T, keys int) (*Router, *member.State) {
	t.Helper()
	secret, err := uid.NewSecret([]byte("test"))
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(store.Options{})
	t.Cleanup(s.Close)
	state := member.New(layout.Name{Base: "x", Range: layout.Range{Lo: 0, Hi: 255}}, slog.New(slog.DiscardHandler))
	clock := func() time.Duration { return time.Hour }
	m := replica.New(replica.Options{Self: state.Incarnation(), Entries: memory{s}, Second: time.Second})
	state.OnAdopt(func(l *layout.Table) { m.Adopt(l, clock()) })
	adopt(t, state, alone(1, 1, state.Incarnation()))
	for i := range keys {
		e := kv.Entry{Key: fmt.Sprintf("k%04d", i), UID: uid.UID{byte(i)}, Version: kv.Version{View: 1, N: 1}}
		s.Apply(secret.KeySlot(e.Key), &e)
	}
	return New(state, &owner.Owner{Self: state.Incarnation(), Secret: secret, Store: s, Replica: m, Clock: clock}, nil, secret), state
}

// A list that is interrupted by new owners goes on behind its last key, by the new ones: no
// key is missing and none comes twice.
func TestListGoesOn(t *testing.T) {
	for _, limit := range []int{0, 1, 100, 399, 400, 1000} {
		r, state := newLister(t, 500)
		epoch := uint64(1)
		var got []string
		err := r.List(t.Context(), kv.ListQuery{Prefix: "k0", After: "k0099", Limit: limit}, func(e *kv.Entry) error {
			got = append(got, string([]byte(e.Key)))
			if len(got)%90 == 0 {
				epoch++
				adopt(t, state, alone(epoch, epoch, state.Incarnation()))
			}
			return nil
		})
		want := 400
		if limit > 0 {
			want = min(limit, want)
		}
		if err != nil || len(got) != want || got[0] != "k0100" || !slices.IsSorted(got) || len(slices.Compact(got)) != want {
			t.Errorf("limit %d: %v, %d keys", limit, err, len(got))
		}
		if limit == 0 && epoch < 4 {
			t.Error("it was not interrupted")
		}
	}
}

// What the one who reads the list says ends it.
func TestListIsEnded(t *testing.T) {
	r, _ := newLister(t, 300)
	enough, n := errors.New("enough"), 0
	err := r.List(t.Context(), kv.ListQuery{}, func(*kv.Entry) error {
		if n++; n == 150 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 150 {
		t.Errorf("%v after %d keys", err, n)
	}
}
