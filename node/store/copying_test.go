package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// TestClear: a slot of many entries, tombstones and shared values among them, is empty
// afterwards, and others are as before.
func TestClear(t *testing.T) {
	s := open(t, Options{})
	u := uid.UID{7, 1}
	for _, slot := range []uint8{3, 4} {
		for i := range 5 * clearBatch {
			s.Apply(slot, &kv.Entry{
				Key: fmt.Sprintf("key %d", i), UID: u, Size: 5, Deleted: i%3 == 0, Version: kv.Version{View: 1, N: uint64(i) + 1},
			})
		}
	}
	if n := s.Clear(3); n != 5*clearBatch {
		t.Errorf("%d entries were removed", n)
	}
	checkInvariants(t, s)
	s.Entries(3, "", func(e *kv.Entry) bool {
		t.Fatalf("%q is left", e.Key)
		return false
	})
	if _, ok := s.Refers(u, &[slots]bool{3: true}); ok {
		t.Error("a reference is left")
	}
	if slot, ok := s.Refers(u, nil); !ok || slot != 4 {
		t.Error("the other slot's references are gone")
	}
	if n := s.Clear(3); n != 0 {
		t.Errorf("%d entries were removed from an empty slot", n)
	}
	s.Clear(4)
	checkEmpty(t, s)
}

// TestReferringWhileMoved: entries that a compaction moves in front of where a walk
// stands are not missed: many entries of one slot share a value, the walk stands behind
// the first of them, and then those at the end go to where cells came free in front.
func TestReferringWhileMoved(t *testing.T) {
	s := open(t, Options{})
	u := uid.UID{7, 1}
	const n = 4000
	entry := func(i int, version uint64) *kv.Entry {
		return &kv.Entry{Key: fmt.Sprintf("key %04d", i), UID: u, Version: kv.Version{View: version, N: uint64(i) + 1}}
	}
	for i := range n {
		s.Apply(9, entry(i, 1))
	}
	// The lowest quarter and most of the rest go, so that the others move down.
	var kept []string
	for i := range n {
		if i < n/4 || i%8 != 0 {
			s.Remove(9, entry(i, 1).Key, entry(i, 1).Version)
			continue
		}
		kept = append(kept, entry(i, 1).Key)
	}
	page, after := s.Referring(7, Place{}, len(kept)/2)
	if s.Compact() == 0 {
		t.Fatal("nothing was moved")
	}
	seen := map[string]bool{}
	for len(page) > 0 {
		for _, r := range page {
			seen[r.Key] = true
		}
		page, after = s.Referring(7, after, len(kept)/2)
	}
	for _, key := range kept {
		if !seen[key] {
			t.Fatalf("%q was missed; %d of %d came", key, len(seen), len(kept))
		}
	}
}

// TestPlacesOfMoves: a place from while entries were on the move is good for the value
// and the slot only, as is one from before.
func TestPlacesOfMoves(t *testing.T) {
	var m moves
	before := m.now()
	m.begin()
	during := m.now()
	if unmoved(before, during) || unmoved(during, during) {
		t.Error("entries on the move count as lying still")
	}
	m.end()
	if unmoved(during, m.now()) || unmoved(before, m.now()) || !unmoved(m.now(), m.now()) {
		t.Error("entries that moved count as lying still")
	}
}

// TestValuesPages: pages of any size join to all values, in the order of their uids.
func TestValuesPages(t *testing.T) {
	s := open(t, Options{})
	var want []Info
	for i := range 300 {
		b := noise(i, i)
		u := secret.Sum(b)
		u[0] = 9
		if _, err := s.InstallBytes(u, b, uint8(i)); err != nil {
			t.Fatal(err)
		}
		want = append(want, Info{u, int64(i), uint8(i)})
	}
	slices.SortFunc(want, func(a, b Info) int { return compareUID(&a.UID, &b.UID) })
	for _, limit := range []int{1, 7, 300, 1000} {
		var got []Info
		for after := (uid.UID{}); ; after = got[len(got)-1].UID {
			page := s.Values(9, after, limit)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %d values, not the %d that are here in their order", limit, len(got), len(want))
		}
	}
}
