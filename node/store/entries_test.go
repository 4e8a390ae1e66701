package store

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

func TestEntriesComeBack(t *testing.T) {
	all := uid.UID{}
	for i := range all {
		all[i] = byte(255 - i)
	}
	for name, e := range map[string]kv.Entry{
		"least":        {Key: "\x00"},
		"plain":        {Key: "key", UID: all, Size: 5, ContentType: "text/plain", Version: kv.Version{View: 1, N: 2}, Modified: 3},
		"expires":      {Key: "key", Expires: 1},
		"expires long": {Key: "key", ContentType: strings.Repeat("x", kv.MaxContentType), Expires: math.MinInt64},
		"greatest": {
			Key: strings.Repeat("\xff", kv.MaxKey), UID: all, Size: math.MaxInt64, ContentType: strings.Repeat("\xff", kv.MaxContentType),
			Version: kv.Version{View: math.MaxUint64, N: math.MaxUint64}, Modified: math.MinInt64, Expires: math.MaxInt64, Deleted: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			if e.Version == (kv.Version{}) {
				e.Version.N = 1
			}
			if _, had, applied := s.Apply(200, &e); had || !applied {
				t.Fatalf("Apply: had %v, applied %v", had, applied)
			}
			got, ok := s.Entry(200, e.Key)
			if diff := cmp.Diff(e, got); diff != "" || !ok {
				t.Errorf("Entry: %v (-want +got):\n%s", ok, diff)
			}
			if _, ok := s.Entry(201, e.Key); ok {
				t.Error("another slot has it too")
			}
			checkInvariants(t, s)
		})
	}
}

// TestApply is a history of one key: only newer versions count.
func TestApply(t *testing.T) {
	s := open(t, Options{})
	var stored kv.Entry
	for i, step := range []struct {
		view, n uint64
		deleted bool
		applied bool
	}{
		{1, 5, false, true},
		{1, 5, false, false}, // again
		{1, 4, true, false},  // late
		{1, 6, true, true},
		{1, 5, false, false}, // later still: the tombstone stands in its way
		{2, 1, false, true},  // a later view, whatever its count
		{1, 7, true, false},
		{2, 2, true, true},
	} {
		e := kv.Entry{Key: "k", Size: int64(i), UID: uid.UID{byte(i)}, Version: kv.Version{View: step.view, N: step.n}, Deleted: step.deleted}
		prev, had, applied := s.Apply(9, &e)
		if diff := cmp.Diff(stored, prev); diff != "" || had != (i > 0) || applied != step.applied {
			t.Fatalf("step %d: had %v, applied %v (-want +got):\n%s", i, had, applied, diff)
		}
		if applied {
			stored = e
		}
		if _, refers := s.Refers(stored.UID, nil); refers == stored.Deleted {
			t.Errorf("step %d: refers: %v", i, refers)
		}
	}
	if s.Forget(9, "k", kv.Version{View: 2, N: 1}) || !s.Forget(9, "k", stored.Version) || s.Forget(9, "k", stored.Version) {
		t.Error("Forget removes the tombstone of its version once")
	}
	checkEmpty(t, s)
}

func TestImpossibleEntries(t *testing.T) {
	s := open(t, Options{})
	for _, e := range []kv.Entry{{Key: ""}, {Key: strings.Repeat("x", kv.MaxKey+1)}, {Key: "x", ContentType: strings.Repeat("x", kv.MaxContentType+1)}} {
		mustPanic(t, func() { s.Apply(0, &e) })
	}
}

// TestRefersToShared: many keys refer to one value, and a question about slots that
// none of them is in is not answered by walking all of them.
func TestRefersToShared(t *testing.T) {
	s := open(t, Options{})
	u := uid.UID{1, 2, 3}
	for i := range 5000 {
		e := kv.Entry{Key: number(i).String(), UID: u, Version: kv.Version{N: 1}}
		s.Apply(uint8(10+i%100), &e)
	}
	for slot := range slots {
		in := [slots]bool{}
		in[5], in[slot], in[250] = true, true, true
		got, ok := s.Refers(u, &in)
		if want := slot >= 10 && slot < 110; ok != want || ok && int(got) != slot {
			t.Errorf("slot %d: %d, %v", slot, got, ok)
		}
	}
	for _, other := range []uid.UID{{}, {1}, {1, 2, 3, 1}, {1, 2, 2}, {1, 2, 4}, {1, 2, 3, 0, 1}, {2}} {
		if slot, ok := s.Refers(other, nil); ok {
			t.Errorf("%x is referred to from slot %d", other[:5], slot)
		}
	}
	if got := testing.AllocsPerRun(100, func() { s.Refers(u, nil) }); got != 0 {
		t.Errorf("Refers allocates %v times", got)
	}
}

// TestReadsMakeNoGarbage: the path of a GET.
func TestReadsMakeNoGarbage(t *testing.T) {
	if underRace {
		t.Skip("under the race detector a sync.Pool forgets on purpose")
	}
	s := open(t, Options{})
	fill(t, s, 1000)
	slot, e := pair(17)
	got := testing.AllocsPerRun(1000, func() {
		got, _ := s.Entry(slot, e.Key)
		v := s.Value(got.UID)
		if _, err := v.Chunk(0); err != nil {
			t.Fatal(err)
		}
		v.Close()
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add("a", "b", "", uint8(1))
	f.Add("key", "key\x00", "text/plain", uint8(0))
	f.Add("\xff\xff\xff\xff", "\xff\xff\xff", "x", uint8(255))
	f.Add("caf\u00e9/\n%2f", "..", "", uint8(9))
	f.Fuzz(func(t *testing.T, a, b, contentType string, slot uint8) {
		if a == "" || b == "" || a == b || len(a) > kv.MaxKey || len(b) > kv.MaxKey || len(contentType) > kv.MaxContentType {
			t.Skip()
		}
		s := New(Options{})
		defer s.Close()
		want := map[string]kv.Entry{}
		for i, key := range []string{a, b} {
			e := kv.Entry{Key: key, ContentType: contentType, UID: uid.UID{byte(i)}, Version: kv.Version{N: 1}}
			s.Apply(slot, &e)
			want[key] = e
		}
		for key, e := range want {
			if got, ok := s.Entry(slot, key); !ok || got != e {
				t.Errorf("%q came back as %+v", key, got)
			}
		}
		var keys []string
		s.List(nil, "", "", 0, func(e *kv.Entry) bool {
			keys = append(keys, e.Key)
			return true
		})
		if diff := cmp.Diff([]string{min(a, b), max(a, b)}, keys); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		checkInvariants(t, s)
	})
}
