package store

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eiri/seppen/node/kv"
)

// TestListWhileWritten lists while keys come and go and entries are replaced: the keys
// that stay come exactly once, in order, and each with one of its own entries.
func TestListWhileWritten(t *testing.T) {
	s := open(t, Options{})
	const n = 2000
	var stay []string
	for i := range n {
		key := fmt.Sprintf("stay %06d", i)
		stay = append(stay, key)
		s.Apply(uint8(i*7), &kv.Entry{Key: key, Version: kv.Version{View: 1, N: 1}})
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	for w := range 2 {
		wg.Go(func() { disturb(s, w, n, stop) })
	}
	rounds := 30
	if underRace {
		rounds = 5
	}
	for range rounds {
		var got []string
		last := ""
		s.List(nil, "", "", 0, func(e *kv.Entry) bool {
			if e.Key <= last {
				t.Errorf("%q comes after %q", e.Key, last)
			}
			if e.Deleted || e.Size != int64(e.Version.N) && e.Version.N > 1 {
				t.Errorf("%q has a mixed entry: %+v", e.Key, e)
			}
			if last = e.Key; !strings.HasSuffix(last, "go") {
				got = append(got, last)
			}
			return true
		})
		if !slices.Equal(got, stay) {
			t.Fatalf("%d of %d keys that stay were listed", len(got), len(stay))
		}
	}
}

func disturb(s *Store, w, n int, stop chan struct{}) {
	for v := uint64(w + 2); ; v += 2 {
		select {
		case <-stop:
			return
		default:
		}
		i := int(v*2654435761) % n
		s.Apply(uint8(i*7), &kv.Entry{Key: fmt.Sprintf("stay %06d", i), Size: int64(v), Version: kv.Version{View: 1, N: v}})
		e := kv.Entry{Key: fmt.Sprintf("stay %06d go", i), Size: int64(v), Version: kv.Version{View: 1, N: v}, Deleted: v%3 == 0}
		s.Apply(uint8(i), &e)
		if e.Deleted {
			s.Forget(uint8(i), e.Key, e.Version)
		}
	}
}

// TestListManyTombstones: a list gets past more tombstones than it looks at in one go.
func TestListManyTombstones(t *testing.T) {
	s := open(t, Options{})
	for i := range 3*batchWalk + 10 {
		s.Apply(1, &kv.Entry{Key: fmt.Sprintf("%05d", i), Deleted: true, Version: kv.Version{View: 1, N: 1}})
	}
	s.Apply(1, &kv.Entry{Key: "9", Version: kv.Version{View: 1, N: 1}})
	var got []string
	s.List(nil, "", "", 0, func(e *kv.Entry) bool {
		got = append(got, e.Key)
		return true
	})
	if !slices.Equal(got, []string{"9"}) {
		t.Errorf("listed %q", got)
	}
}

// TestListStops: yield may end the list, and may call the store.
func TestListStops(t *testing.T) {
	s := open(t, Options{})
	for i := range 100 {
		s.Apply(uint8(i), &kv.Entry{Key: fmt.Sprint(i), Version: kv.Version{View: 1, N: 1}})
	}
	n := 0
	s.List(nil, "", "", 0, func(e *kv.Entry) bool {
		s.Apply(uint8(n), &kv.Entry{Key: fmt.Sprint(n), Version: kv.Version{View: 1, N: 2}})
		n++
		return n < 7
	})
	if n != 7 {
		t.Errorf("yield was called %d times", n)
	}
}
