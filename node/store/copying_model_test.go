package store

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

func (m *modelStore) remove(t *rapid.T) {
	key := drawKey(t)
	e, ok := m.entries[key]
	v := e.Version
	if rapid.IntRange(0, 3).Draw(t, "other version") == 0 {
		v.N++
		ok = false
	}
	if got := m.s.Remove(modelSlot(key), key, v); got != ok {
		t.Fatalf("Remove %q: %v, want %v", key, got, ok)
	}
	if ok {
		delete(m.entries, key)
	}
}

func (m *modelStore) clear(t *rapid.T) {
	slot := rapid.SampledFrom([]uint8{0, 7, 255, 9}).Draw(t, "slot")
	want := 0
	maps.DeleteFunc(m.entries, func(key string, _ kv.Entry) bool {
		gone := modelSlot(key) == slot
		if gone {
			want++
		}
		return gone
	})
	if got := m.s.Clear(slot); got != want {
		t.Fatalf("Clear: %d entries, want %d", got, want)
	}
}

func (m *modelStore) walk(t *rapid.T) {
	slot := rapid.SampledFrom([]uint8{0, 7, 255, 9}).Draw(t, "slot")
	after := rapid.SampledFrom([]string{"", "a", "b", "run0300\x00", "s", strings.Repeat("\xff", kv.MaxKey)}).Draw(t, "after")
	stop := rapid.SampledFrom([]int{1, 5, 1 << 20}).Draw(t, "stop")
	var want, got []kv.Entry
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		if key > after && modelSlot(key) == slot && len(want) < stop {
			want = append(want, m.entries[key])
		}
	}
	m.s.Entries(slot, after, func(e *kv.Entry) bool {
		got = append(got, *e)
		return len(got) < stop
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Entries of %d after %q (-want +got):\n%s", slot, after, diff)
	}
}

func (m *modelStore) infos(t *rapid.T) {
	after, limit := drawUID(t), rapid.IntRange(0, 40).Draw(t, "limit")
	slot := rapid.SampledFrom([]uint8{0, 128, 255}).Draw(t, "of")
	want, bytes := []Info{}, int64(0)
	for u, v := range m.values {
		if u.Slot() != slot {
			continue
		}
		bytes += int64(len(v.bytes))
		if compareUID(&u, &after) > 0 {
			want = append(want, Info{UID: u, Size: int64(len(v.bytes)), Witness: v.witness})
		}
	}
	slices.SortFunc(want, func(a, b Info) int { return compareUID(&a.UID, &b.UID) })
	want = want[:min(len(want), limit)]
	if got := m.s.Values(slot, after, limit); !slices.Equal(got, want) {
		t.Fatalf("Values: %v, want %v", got, want)
	}
	if got := m.s.ValueBytes(slot); got != bytes {
		t.Fatalf("ValueBytes: %d, want %d", got, bytes)
	}
}

// referring walks the references to a slot while entries may be moved.
func (m *modelStore) referring(t *rapid.T) {
	slot, limit := drawUID(t).Slot(), rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "limit")
	want, got := map[string]Reference{}, map[string]Reference{}
	for key, e := range m.entries {
		if e.UID.Slot() == slot && !e.Deleted {
			want[key] = Reference{Slot: modelSlot(key), Key: key, UID: e.UID, Version: e.Version}
		}
	}
	compactions := rapid.IntRange(0, 2).Draw(t, "compactions")
	var after Place
	var last uid.UID
	for page := make([]Reference, 1); len(page) > 0; {
		page, after = m.s.Referring(slot, after, limit)
		for _, r := range page {
			if compareUID(&r.UID, &last) < 0 {
				t.Fatalf("Referring: %v comes after %v", r.UID, last)
			}
			last, got[r.Key] = r.UID, r
		}
		if compactions--; compactions >= 0 {
			m.s.Compact()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Referring (-want +got):\n%s", diff)
	}
}
