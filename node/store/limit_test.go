package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

// number is the i-th of many uids.
func number(i int) uid.UID {
	return secret.Sum(binary.BigEndian.AppendUint32(nil, uint32(i)))
}

// fillUp installs values of a size until there is no memory, and returns how many.
func fillUp(t *testing.T, s *Store, from, size int) int {
	t.Helper()
	for n := 0; ; n++ {
		u := number(from + n)
		switch _, err := s.InstallBytes(u, bytes.Repeat(u[:1], size), 0); {
		case errors.Is(err, kv.ErrNoMemory):
			return n
		case err != nil:
			t.Fatal(err)
		}
	}
}

func TestLimit(t *testing.T) {
	const limit = 8 << 20
	s := open(t, Options{Limit: limit})
	if s.Headroom() != limit || !s.Room(100) {
		t.Fatalf("headroom %d", s.Headroom())
	}
	n := fillUp(t, s, 0, 1000)
	if n < limit/1300 || s.Stats().Used > limit {
		t.Fatalf("%d values of 1000 bytes fit, %d bytes are used", n, s.Stats().Used)
	}

	// What is there stays, and is read, touched and installed again as before.
	for i := range n {
		v := s.Value(number(i))
		u := v.UID()
		if !bytes.Equal(read(t, v), bytes.Repeat(u[:1], 1000)) {
			t.Fatalf("value %d changed", i)
		}
		v.Close()
	}
	if had, err := s.InstallBytes(number(1), nil, 0); !had || err != nil {
		t.Errorf("install of what is there: %v, %v", had, err)
	}
	for _, size := range []int64{100_000, 1 << 30, math.MaxInt32} {
		if _, err := s.Stage(size); !errors.Is(err, kv.ErrNoMemory) {
			t.Errorf("Stage(%d): %v", size, err)
		}
	}
	st, err := s.Stage(-1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Write(make([]byte, 100)); !errors.Is(err, kv.ErrNoMemory) {
		t.Errorf("Write: %v", err)
	}
	st.Discard()
	if got := s.Stats().Values; got != n {
		t.Fatalf("%d values, want %d", got, n)
	}

	// An entry that was ordered is stored all the same.
	e := kv.Entry{Key: "key", UID: number(1), Version: kv.Version{View: 1, N: 1}}
	if _, _, applied := s.Apply(5, &e); !applied {
		t.Error("an ordered entry was refused")
	}

	// Space comes back as values are freed.
	for i := range n / 2 {
		f, _ := s.Age(number(i))
		if !s.Free(number(i), f.Generation) {
			t.Fatalf("value %d was not freed", i)
		}
	}
	if !s.Room(100) {
		t.Error("no room for an entry in a store that is half empty")
	}
	if again := fillUp(t, s, n, 1000); again < n/2*95/100 {
		t.Errorf("%d values fit after %d were freed", again, n/2)
	}
	if used := s.Stats().Used; used > limit+4*arena.PageSize {
		t.Errorf("%d bytes are used", used)
	}
	checkInvariants(t, s)
}

// TestNoCalcification: pages of one size class that are sparse are made whole when
// another class needs them.
func TestNoCalcification(t *testing.T) {
	limit := int64(16 << 20)
	cases := [][2]int{{3000, 100}, {33000, 500}, {100, 3000}, {20000, 100}, {100, 200_000}}
	if underRace {
		limit, cases = 4<<20, cases[:2] // nothing runs at once here
	}
	for _, sizes := range cases {
		s := open(t, Options{Limit: limit})
		n := fillUp(t, s, 0, sizes[0])
		kept := map[int]bool{}
		for i := range n {
			if i%10 == 0 {
				kept[i] = true
			} else {
				s.Drop(number(i))
			}
		}
		if got := s.Headroom(); got < limit/2 {
			t.Errorf("%v: headroom of %d bytes after nine tenths went", sizes, got)
		}
		bytesKept := int64(len(kept) * (sizes[0] + 100))
		more := fillUp(t, s, n, sizes[1])
		if got := s.Stats().ValueBytes; got+bytesKept < limit*2/3 {
			t.Errorf("%v: only %d values fit after %d of %d were dropped, %d bytes in all", sizes, more, n-len(kept), n, got)
		}
		for i := range kept {
			v := s.Value(number(i))
			u := v.UID()
			if !bytes.Equal(read(t, v), bytes.Repeat(u[:1], sizes[0])) {
				t.Fatalf("%v: value %d changed", sizes, i)
			}
			v.Close()
		}
		for i := range n + more {
			if i%2 == 0 {
				s.Drop(number(i))
			}
		}
		s.Compact()
		if got := s.mem.Reclaimable(); got != 0 {
			t.Errorf("%v: %d pages more than are needed", sizes, got)
		}
		checkInvariants(t, s)
	}
}

// TestEntriesMayPassTheLimit: overwriting goes on for ever in a full store.
func TestEntriesMayPassTheLimit(t *testing.T) {
	limit := int64(2 << 20)
	if underRace {
		limit /= 2
	}
	s := open(t, Options{Limit: limit})
	version := uint64(0)
	apply := func(i, typeLen int) {
		version++
		key := number(i).String()
		e := kv.Entry{Key: key, UID: number(i), ContentType: string(make([]byte, typeLen)), Version: kv.Version{View: 1, N: version}}
		s.Apply(uint8(i), &e)
	}
	n := 0
	for ; s.Room(100); n++ {
		apply(n, 10)
	}
	for i := range n {
		apply(i, 10+i%100) // each entry into a cell of another class
		if i%8 == 0 {
			apply(i, 200)
		}
	}
	if used := s.Stats().Used; used > limit*2 {
		t.Errorf("%d bytes used of %d", used, limit)
	}
	for i := range n {
		e := kv.Entry{Key: number(i).String(), Version: kv.Version{View: 2, N: 1}, Deleted: true}
		s.Apply(uint8(i), &e)
		s.Forget(uint8(i), e.Key, e.Version)
	}
	checkEmpty(t, s)
}

func TestUnlimited(t *testing.T) {
	s := open(t, Options{})
	if s.Headroom() != math.MaxInt64 || !s.Room(1<<40) || s.Stats().Limit != 0 {
		t.Errorf("headroom %d, limit %d", s.Headroom(), s.Stats().Limit)
	}
}

// TestMemoryReturns: a store that shrinks makes the process smaller, also when it
// shrinks unevenly.
func TestMemoryReturns(t *testing.T) {
	if _, err := os.Stat("/proc/self/statm"); err != nil || underRace {
		t.Skip("the system does not say, or the memory is that of the Go heap")
	}
	s := open(t, Options{})
	before := rss()
	const n = 60_000
	for i := range n {
		u := number(i)
		if _, err := s.InstallBytes(u, u[:], 0); err != nil {
			t.Fatal(err)
		}
		if _, err := s.InstallBytes(number(i+n), make([]byte, 1500), 0); err != nil {
			t.Fatal(err)
		}
	}
	full := rss() - before
	for i := range n {
		s.Drop(number(i + n))
	}
	idle(s)
	if got := rss() - before; got > full/4 {
		t.Errorf("%d bytes resident of %d after the large values went", got, full)
	}
	for i := range n {
		if i%20 != 0 {
			s.Drop(number(i))
		}
	}
	s.Compact()
	idle(s)
	if got := rss() - before; got > 6<<20 {
		t.Errorf("%d bytes resident of %d after most values went", got, full)
	}
}

// idle is time that passes while nothing is stored.
func idle(s *Store) {
	for range 2 { // the first trim may have seen memory being used
		for s.Trim() > 0 {
		}
	}
}

// TestSmallStore: 256 nodes may run on one machine.
func TestSmallStore(t *testing.T) {
	if underRace {
		t.Skip("the memory is that of the Go heap")
	}
	before := rss()
	for i := range 50 {
		s := open(t, Options{Limit: 1 << 30})
		slot, e := pair(i)
		if _, err := s.InstallBytes(e.UID, make([]byte, 100), slot); err != nil {
			t.Fatal(err)
		}
		s.Apply(slot, &e)
	}
	if got := (rss() - before) / 50; got > 300<<10 {
		t.Errorf("a store with one key costs %d bytes", got)
	} else {
		t.Logf("a store with one key costs %d bytes", got)
	}
}
