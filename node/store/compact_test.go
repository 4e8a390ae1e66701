package store

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// TestCompactLeavesReadersAlone: what is held is not moved, the rest is, and what was
// not moved then can be moved later.
func TestCompactLeavesReadersAlone(t *testing.T) {
	for _, size := range []int{100, 5000, 33_000} {
		s := open(t, Options{})
		const n = 1000
		var open []*Value
		for i := range n {
			u := number(i)
			if _, err := s.InstallBytes(u, bytes.Repeat(u[:1], size), 0); err != nil {
				t.Fatal(err)
			}
			if i%15 == 0 {
				open = append(open, s.Value(u))
			}
		}
		for i := range n {
			if i%5 != 0 {
				s.Drop(number(i))
			}
		}
		before := s.Stats()
		s.Compact()
		checkInvariants(t, s)
		for _, v := range open {
			u := v.UID()
			if now, ok := s.values[u.Slot()].find(s.mem, &u); !ok || now != v.ref {
				t.Fatalf("%d bytes: a value was moved under its reader", size)
			}
			if !bytes.Equal(read(t, v), bytes.Repeat(u[:1], size)) {
				t.Fatalf("%d bytes: a value changed under its reader", size)
			}
			v.Close()
		}
		s.Compact()
		checkInvariants(t, s)
		if got := s.mem.Reclaimable(); got != 0 {
			t.Errorf("%d bytes: %d pages more than are needed", size, got)
		}
		if after := s.Stats(); after.ValueBytes != before.ValueBytes || after.Used >= before.Used {
			t.Errorf("%d bytes: before %d used for %d, after %d for %d",
				size, before.Used, before.ValueBytes, after.Used, after.ValueBytes)
		}
	}
}

// TestTrimCompacts: where most values went, the pages of the others are not kept for long,
// but neither are all indexes walked again and again.
func TestTrimCompacts(t *testing.T) {
	second := uint32(100)
	s := open(t, Options{Now: func() uint32 { return second }})
	const n = 3000
	fill := func() {
		for i := range n {
			u := number(i)
			if _, err := s.InstallBytes(u, bytes.Repeat(u[:1], 5000), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	drop := func(share int) {
		for i := range n {
			if i%share != 0 {
				s.Drop(number(i))
			}
		}
	}
	tight := func() bool { return s.mem.Reclaimable() < looseLeast }
	fill()
	full := s.Stats().Used
	drop(10)
	if tight() {
		t.Fatal("there is nothing to move together: nothing is tested")
	}
	s.Trim()
	checkInvariants(t, s)
	if !tight() || s.Stats().Used > full/5 {
		t.Errorf("%d bytes are in use of %d for a tenth of the values", s.Stats().Used, full)
	}
	for i := 0; i < n; i += 10 {
		if u := number(i); !s.Has(u) {
			t.Fatalf("value %d is gone", i)
		}
	}
	fill()
	drop(9)
	s.Trim()
	if tight() {
		t.Error("all was moved together again within a moment")
	}
	second += restSeconds
	s.Trim()
	if !tight() {
		t.Error("a while later the rest was not moved together")
	}
	second += restSeconds
	fill()
	for i := 0; i < n; i += 8 {
		s.Drop(number(i))
	}
	s.Trim()
	if tight() {
		t.Error("for an eighth all indexes were walked")
	}
}

// TestCompactKeepsReferences: a value is never without the reference of an entry that
// is being moved, or it would be freed (I5).
func TestCompactKeepsReferences(t *testing.T) {
	s := open(t, Options{})
	const kept = 20
	rounds := 200
	if underRace {
		rounds = 20
	}
	version := uint64(0)
	apply := func(i int, deleted bool) {
		version++
		e := kv.Entry{Key: number(i).String(), UID: number(i), Version: kv.Version{N: version}, Deleted: deleted}
		s.Apply(1, &e)
		if deleted {
			s.Forget(1, e.Key, e.Version)
		}
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(stop)
		for range rounds {
			// The kept ones lie among others, which go.
			for i := range 30 * kept {
				apply(kept+i, false)
				if i%30 == 0 {
					apply(i/30, false)
				}
			}
			for i := range 30 * kept {
				apply(kept+i, true)
			}
			s.Compact()
		}
	})
	uids := make([]uid.UID, kept)
	for i := range uids {
		uids[i] = number(i)
	}
	seen := map[uid.UID]bool{}
	for running := true; running; {
		select {
		case <-stop:
			running = false
		default:
		}
		u := uids[rand.IntN(kept)]
		_, ok := s.Refers(u, nil)
		if seen[u] && !ok {
			t.Error("a reference was gone for a moment")
			break
		}
		seen[u] = ok
	}
	wg.Wait()
	checkInvariants(t, s)
}
