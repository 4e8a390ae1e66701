package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

// TestModel drives a store and a naive model of it through the same operations.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(rapid.SampledFrom([]int64{0, 1 << 20, 4 << 20}).Draw(t, "limit"))
		defer m.s.Close()
		t.Repeat(map[string]func(*rapid.T){
			"install":   m.install,
			"stage":     m.stage,
			"touch":     m.touch,
			"read":      m.read,
			"close":     m.close,
			"drop":      m.drop,
			"free":      m.free,
			"witness":   m.setWitness,
			"uids":      m.uids,
			"apply":     m.apply,
			"apply run": m.applyRun,
			"forget":    m.forget,
			"remove":    m.remove,
			"clear":     m.clear,
			"entries":   m.walk,
			"infos":     m.infos,
			"referring": m.referring,
			"entry":     m.entry,
			"refers":    m.refers,
			"list":      m.list,
			"compact":   m.compact,
			"time":      func(*rapid.T) { m.now += 3 },
			"":          m.check,
		})
		m.end(t)
	})
}

type modelValue struct {
	bytes   []byte
	touched uint32
	gen     uint32 // as the store said
	witness uint8
}

type modelStore struct {
	s       *Store
	now     uint32
	values  map[uid.UID]*modelValue
	entries map[string]kv.Entry
	open    []*Value
	opened  [][]byte // the bytes of open
	n       uint64   // versions given
}

func newModel(limit int64) *modelStore {
	m := &modelStore{now: 100, values: map[uid.UID]*modelValue{}, entries: map[string]kv.Entry{}}
	m.s = New(Options{Limit: limit, Now: func() uint32 { return m.now }})
	return m
}

// modelSlot puts keys into few slots, so that each has many.
func modelSlot(key string) uint8 {
	sum := 0
	for _, c := range []byte(key) {
		sum += int(c)
	}
	return []uint8{0, 7, 255}[sum%3]
}

// drawUID makes uids that often have the slot and the next 3 bytes in common.
func drawUID(t *rapid.T) uid.UID {
	var u uid.UID
	u[0] = rapid.SampledFrom([]uint8{0, 128, 255}).Draw(t, "slot")
	u[3] = rapid.SampledFrom([]uint8{0, 255}).Draw(t, "prefix")
	u[31] = uint8(rapid.IntRange(1, 30).Draw(t, "uid"))
	return u
}

// valueOf is the only value that the model gives a uid.
func valueOf(u uid.UID) []byte {
	n := []int{0, 10, 200, 3000, 22000, 33000, 70000, 170000}[int(u[31])%8]
	return noise(int(u[0])+int(u[3])+int(u[31]), n)
}

func drawKey(t *rapid.T) string {
	key := rapid.StringOfN(rapid.SampledFrom([]rune{0, 'a', 'b', 0xff}), 1, 4, -1).Draw(t, "key")
	if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
		key += strings.Repeat("x", kv.MaxKey-len(key))
	}
	return key
}

func (m *modelStore) placed(u uid.UID, witness uint8) {
	v := m.values[u]
	if v == nil {
		v = &modelValue{bytes: valueOf(u)}
		m.values[u] = v
	}
	f, _ := m.s.Age(u)
	if f.Generation == v.gen {
		panic("a touch that did not change the generation")
	}
	v.touched, v.witness, v.gen = m.now, witness, f.Generation
}

func (m *modelStore) install(t *rapid.T) {
	u, witness := drawUID(t), rapid.Uint8().Draw(t, "witness")
	had, err := m.s.InstallBytes(u, valueOf(u), witness)
	m.installed(t, u, witness, had, err)
}

func (m *modelStore) installed(t *rapid.T, u uid.UID, witness uint8, had bool, err error) {
	_, want := m.values[u]
	if err != nil {
		sh := shapeOf(int64(len(valueOf(u))))
		if !errors.Is(err, kv.ErrNoMemory) || want {
			t.Fatalf("install: %v; it was there: %v", err, want)
		}
		if left := m.s.mem.Left(); left >= sh.memory()+2*arena.PageSize {
			t.Fatalf("no room for %d bytes with %d left", sh.memory(), left)
		}
		return
	}
	if had != want {
		t.Fatalf("install says it was there: %v, want %v", had, want)
	}
	m.placed(u, witness)
}

func (m *modelStore) stage(t *rapid.T) {
	u, witness := drawUID(t), rapid.Uint8().Draw(t, "witness")
	b := valueOf(u)
	size := int64(len(b))
	if rapid.Bool().Draw(t, "unknown") {
		size = -1
	}
	st, err := m.s.Stage(size)
	if err == nil {
		_, err = st.Write(b)
	}
	if st != nil && (err != nil || rapid.IntRange(0, 3).Draw(t, "discard") == 0) {
		st.Discard()
		st.Discard()
		return
	}
	if err != nil {
		if _, had := m.values[u]; !had {
			m.installed(t, u, witness, false, err)
		}
		return
	}
	m.installed(t, u, witness, m.s.Install(u, st, witness), nil)
}

func (m *modelStore) touch(t *rapid.T) {
	u, witness := drawUID(t), rapid.Uint8().Draw(t, "witness")
	_, want := m.values[u]
	if got := m.s.Has(u); got != want {
		t.Fatalf("Has: %v, want %v", got, want)
	}
	if got := m.s.Touch(u, witness); got != want {
		t.Fatalf("Touch: %v, want %v", got, want)
	}
	if want {
		m.placed(u, witness)
	}
}

func (m *modelStore) read(t *rapid.T) {
	u := drawUID(t)
	v := m.s.Value(u)
	want, ok := m.values[u]
	if (v != nil) != ok {
		t.Fatalf("Value: %v, want %v", v != nil, ok)
	}
	if v != nil {
		m.open, m.opened = append(m.open, v), append(m.opened, want.bytes)
	}
}

// close closes an open value, freed or not, after looking at all of its bytes.
func (m *modelStore) close(t *rapid.T) {
	if len(m.open) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(m.open)-1).Draw(t, "which")
	if got := readAll(m.open[i]); !bytes.Equal(got, m.opened[i]) {
		t.Fatalf("a value of %d bytes changed while it was held", len(m.opened[i]))
	}
	m.open[i].Close()
	m.open, m.opened = slices.Delete(m.open, i, i+1), slices.Delete(m.opened, i, i+1)
}

func readAll(v *Value) []byte {
	out := make([]byte, 0, v.Size())
	for int64(len(out)) < v.Size() {
		b, err := v.Chunk(int64(len(out)))
		if err != nil {
			return nil
		}
		out = append(out, b...)
	}
	return out
}

func (m *modelStore) drop(t *rapid.T) {
	u := drawUID(t)
	_, want := m.values[u]
	if got := m.s.Drop(u); got != want {
		t.Fatalf("Drop: %v, want %v", got, want)
	}
	delete(m.values, u)
}

func (m *modelStore) free(t *rapid.T) {
	u := drawUID(t)
	stale := rapid.Bool().Draw(t, "stale")
	f, ok := m.s.Age(u)
	v := m.values[u]
	if ok != (v != nil) {
		t.Fatalf("Age: %v, want %v", ok, v != nil)
	}
	if !ok {
		return
	}
	want := Freeable{v.gen, max(m.now-v.touched, 1) - 1, v.witness}
	if f != want {
		t.Fatalf("Age: %+v, want %+v", f, want)
	}
	if stale {
		m.s.Touch(u, v.witness)
		m.placed(u, v.witness)
	}
	if got := m.s.Free(u, f.Generation); got != !stale {
		t.Fatalf("Free: %v; touched since: %v", got, stale)
	}
	if !stale {
		delete(m.values, u)
	}
}

func (m *modelStore) setWitness(t *rapid.T) {
	u, w := drawUID(t), rapid.Uint8().Draw(t, "witness")
	if v := m.values[u]; v != nil {
		m.s.SetWitness(u, w, v.gen)
		v.witness = w
		m.s.SetWitness(u, w+1, v.gen-1)
	}
}

func (m *modelStore) uids(t *rapid.T) {
	after, limit := drawUID(t), rapid.IntRange(0, 40).Draw(t, "limit")
	slot := rapid.SampledFrom([]uint8{0, 128, 255}).Draw(t, "of")
	var want []uid.UID
	for u := range m.values {
		if u.Slot() == slot && compareUID(&u, &after) > 0 {
			want = append(want, u)
		}
	}
	slices.SortFunc(want, func(a, b uid.UID) int { return compareUID(&a, &b) })
	want = want[:min(len(want), limit)]
	if got := m.s.UIDs(slot, after, limit); !slices.Equal(got, want) {
		t.Fatalf("UIDs: %v, want %v", got, want)
	}
}

func (m *modelStore) apply(t *rapid.T) {
	m.n++
	e := kv.Entry{
		Key: drawKey(t), UID: drawUID(t), Size: rapid.Int64Range(0, 1<<40).Draw(t, "size"),
		ContentType: rapid.SampledFrom([]string{"", "text/plain", strings.Repeat("t", kv.MaxContentType)}).Draw(t, "type"),
		Version:     kv.Version{View: rapid.Uint64Range(1, 3).Draw(t, "view"), N: m.n},
		Modified:    rapid.Int64().Draw(t, "modified"),
		Expires:     rapid.SampledFrom([]int64{0, -1, 1 << 60}).Draw(t, "expires"),
		Deleted:     rapid.IntRange(0, 3).Draw(t, "deleted") == 0,
	}
	m.applyOne(t, e)
}

func (m *modelStore) applyOne(t *rapid.T, e kv.Entry) {
	prev, had, applied := m.s.Apply(modelSlot(e.Key), &e)
	old, want := m.entries[e.Key]
	wantApplied := !want || e.Version.Compare(old.Version) > 0
	if had != want || applied != wantApplied {
		t.Fatalf("Apply: had %v, applied %v; want %v, %v", had, applied, want, wantApplied)
	}
	if diff := cmp.Diff(old, prev); diff != "" {
		t.Fatalf("Apply: the entry before (-want +got):\n%s", diff)
	}
	if applied {
		m.entries[e.Key] = e
	}
}

// applyRun makes enough neighbours to split leaves, or takes them away again.
func (m *modelStore) applyRun(t *rapid.T) {
	from, n := rapid.IntRange(0, 600).Draw(t, "from"), rapid.IntRange(1, 300).Draw(t, "n")
	remove, back := rapid.Bool().Draw(t, "remove"), rapid.Bool().Draw(t, "back")
	u := drawUID(t)
	for i := range n {
		if back {
			i = n - 1 - i
		}
		m.n++
		e := kv.Entry{Key: fmt.Sprintf("run%04d\x00", (from+i)*3), UID: u, Version: kv.Version{View: 3, N: m.n}, Deleted: remove}
		m.applyOne(t, e)
		if remove {
			m.forgetKey(t, e.Key, e.Version)
		}
	}
}

func (m *modelStore) forget(t *rapid.T) {
	key := drawKey(t)
	v := m.entries[key].Version
	if rapid.IntRange(0, 3).Draw(t, "other version") == 0 {
		v.N++
	}
	m.forgetKey(t, key, v)
}

func (m *modelStore) forgetKey(t *rapid.T, key string, v kv.Version) {
	e, ok := m.entries[key]
	want := ok && e.Deleted && e.Version == v
	if got := m.s.Forget(modelSlot(key), key, v); got != want {
		t.Fatalf("Forget %q: %v, want %v", key, got, want)
	}
	if want {
		delete(m.entries, key)
	}
}

func (m *modelStore) entry(t *rapid.T) {
	key := drawKey(t)
	got, ok := m.s.Entry(modelSlot(key), key)
	want, wantOK := m.entries[key]
	if diff := cmp.Diff(want, got); diff != "" || ok != wantOK {
		t.Fatalf("Entry %q: %v (-want +got):\n%s", key, ok, diff)
	}
}

// drawSlots is nil, or some of the slots that the model uses.
func drawSlots(t *rapid.T) *[slots]bool {
	some := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 7, 255}), -1, 3, rapid.ID[int]).Draw(t, "slots")
	if len(some) == 3 {
		return nil
	}
	var in [slots]bool
	for _, slot := range some {
		in[slot] = true
	}
	return &in
}

func (m *modelStore) refers(t *rapid.T) {
	u, in := drawUID(t), drawSlots(t)
	slot, ok := m.s.Refers(u, in)
	want := map[uint8]bool{}
	for _, e := range m.entries {
		if s := modelSlot(e.Key); e.UID == u && !e.Deleted && (in == nil || in[s]) {
			want[s] = true
		}
	}
	if ok != (len(want) > 0) || ok && !want[slot] {
		t.Fatalf("Refers: %d, %v, want one of %v", slot, ok, want)
	}
}

func (m *modelStore) list(t *rapid.T) {
	in := drawSlots(t)
	prefix := rapid.SampledFrom([]string{"", "a", "run", "run0", "b\x00", "zz"}).Draw(t, "prefix")
	after := rapid.SampledFrom([]string{"", "a", "b", "run0300\x00", "s"}).Draw(t, "after")
	limit := rapid.SampledFrom([]int{0, 1, 5, 100}).Draw(t, "limit")
	var want, got []kv.Entry
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		e := m.entries[key]
		if strings.HasPrefix(key, prefix) && key > after && !e.Deleted && (in == nil || in[modelSlot(key)]) {
			want = append(want, e)
		}
	}
	if limit > 0 {
		want = want[:min(len(want), limit)]
	}
	m.s.List(in, prefix, after, limit, func(e *kv.Entry) bool {
		got = append(got, *e)
		return true
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("List %q after %q (-want +got):\n%s", prefix, after, diff)
	}
}

func (m *modelStore) compact(t *rapid.T) {
	promised := m.s.mem.Reclaimable()
	emptied := int64(m.s.Compact())
	if left := m.s.mem.Reclaimable(); emptied+left != promised || len(m.open) == 0 && left > 0 {
		t.Fatalf("emptied %d pages of %d, %d are left, %d values are held", emptied, promised, left, len(m.open))
	}
}

// check runs after every action.
func (m *modelStore) check(t *rapid.T) {
	held := map[arena.Ref]bool{}
	for i, v := range m.open {
		if now, ok := m.s.values[v.UID().Slot()].find(m.s.mem, v.head.uid()); ok && now == v.ref {
			continue
		}
		if v.Size() != int64(len(m.opened[i])) {
			t.Fatalf("a held value changed its size")
		}
		held[v.ref] = true
	}
	checkInvariants(t, m.s, slices.Collect(maps.Keys(held))...)
	if st := m.s.Stats(); st.Keys+st.Tombstones != len(m.entries) || st.Values != len(m.values) {
		t.Fatalf("%d entries and %d values, want %d and %d", st.Keys+st.Tombstones, st.Values, len(m.entries), len(m.values))
	}
}

// end reads all, then removes all.
func (m *modelStore) end(t *rapid.T) {
	for u, want := range m.values {
		v := m.s.Value(u)
		if !bytes.Equal(readAll(v), want.bytes) {
			t.Fatalf("a value of %d bytes changed", len(want.bytes))
		}
		v.Close()
		m.s.Drop(u)
	}
	for i, v := range m.open {
		if !bytes.Equal(readAll(v), m.opened[i]) {
			t.Fatalf("a held value changed")
		}
		v.Close()
	}
	for key, e := range m.entries {
		e.Version.View, e.Deleted = 9, true
		if _, _, applied := m.s.Apply(modelSlot(key), &e); !applied || !m.s.Forget(modelSlot(key), key, e.Version) {
			t.Fatalf("%q does not go", key)
		}
	}
	checkInvariants(t, m.s)
	if st := m.s.Stats(); st != (Stats{Limit: st.Limit}) {
		t.Fatalf("an empty store has %+v", st)
	}
}
