package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// TestConcurrent has everybody at the same few values and keys at once. Readers check
// the bytes they hold against the uid; the race detector checks the rest.
func TestConcurrent(t *testing.T) {
	s := open(t, Options{Limit: 64 << 20})
	c := &crowd{t: t, s: s}
	for i := range 60 {
		b := noise(i, []int{0, 50, 500, 5000, 40_000, 140_000}[i%6])
		c.bodies, c.uids = append(c.bodies, b), append(c.uids, secret.Sum(b))
	}
	rounds := 4000
	if testing.Short() || underRace {
		rounds = 700
	}
	var wg sync.WaitGroup
	for seed := range 2 {
		for _, act := range []func(*rand.Rand){c.write, c.write, c.read, c.read, c.free, c.entry, c.look} {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(seed), 2))
				for range rounds {
					act(r)
				}
			})
		}
	}
	wg.Go(func() {
		for range rounds / 50 {
			s.Compact()
			s.Stats()
		}
	})
	wg.Wait()
	checkInvariants(t, s)
	for _, u := range c.uids {
		s.Drop(u)
	}
	for i := range c.uids {
		slot, key := c.key(i)
		e := kv.Entry{Key: key, Deleted: true, Version: kv.Version{View: 2}}
		s.Apply(slot, &e)
		s.Forget(slot, key, e.Version)
	}
	checkEmpty(t, s)
}

type crowd struct {
	t      *testing.T
	s      *Store
	bodies [][]byte
	uids   []uid.UID
}

func (c *crowd) key(i int) (uint8, string) { return uint8(i % 5), fmt.Sprintf("key %d", i) }

func (c *crowd) write(r *rand.Rand) {
	i := r.IntN(len(c.uids))
	if r.IntN(2) == 0 {
		if _, err := c.s.InstallBytes(c.uids[i], c.bodies[i], 1); err != nil {
			c.t.Error(err)
		}
		return
	}
	size := int64(len(c.bodies[i]))
	if r.IntN(2) == 0 {
		size = -1
	}
	st, err := c.s.Stage(size)
	if err == nil {
		_, err = st.ReadFrom(bytes.NewReader(c.bodies[i]))
	}
	if err != nil {
		c.t.Error(err)
		return
	}
	c.s.Install(c.uids[i], st, 2)
}

func (c *crowd) read(r *rand.Rand) {
	i := r.IntN(len(c.uids))
	v := c.s.Value(c.uids[i])
	if v == nil {
		return
	}
	defer v.Close()
	h := secret.Hash()
	defer h.Close()
	for off := int64(0); off < v.Size(); {
		b, err := v.Chunk(off)
		if err != nil {
			c.t.Error(err)
			return
		}
		_, _ = h.Write(b)
		off += int64(len(b))
	}
	if v.UID() != c.uids[i] || h.UID() != c.uids[i] {
		c.t.Errorf("value %d is not what its uid says", i)
	}
}

func (c *crowd) free(r *rand.Rand) {
	u := c.uids[r.IntN(len(c.uids))]
	if f, ok := c.s.Age(u); ok {
		c.s.SetWitness(u, 9, f.Generation)
		c.s.Free(u, f.Generation)
	}
	c.s.Touch(u, 3)
	c.s.Has(u)
}

func (c *crowd) entry(r *rand.Rand) {
	i := r.IntN(len(c.uids))
	slot, key := c.key(i)
	v := kv.Version{View: 1, N: r.Uint64()}
	c.s.Apply(slot, &kv.Entry{
		Key: key, UID: c.uids[r.IntN(len(c.uids))], Version: v,
		ContentType: string(make([]byte, r.IntN(100))), Deleted: r.IntN(5) == 0,
	})
	c.s.Forget(slot, key, v)
	if r.IntN(20) == 0 {
		c.s.Remove(slot, key, v)
	}
	if r.IntN(200) == 0 {
		c.s.Clear(slot)
	}
	if e, ok := c.s.Entry(slot, key); ok && e.Key != key {
		c.t.Errorf("asked for %q, got %q", key, e.Key)
	}
}

func (c *crowd) look(r *rand.Rand) {
	c.s.Refers(c.uids[r.IntN(len(c.uids))], nil)
	c.s.UIDs(uint8(r.IntN(256)), uid.UID{}, 100)
	for _, v := range c.s.Values(uint8(r.IntN(256)), uid.UID{}, 100) {
		if i := slices.Index(c.uids, v.UID); v.Size != int64(len(c.bodies[i])) {
			c.t.Errorf("value %d has %d bytes", i, v.Size)
		}
	}
	var at Place
	for refs := make([]Reference, 1); len(refs) > 0; {
		refs, at = c.s.Referring(c.uids[r.IntN(len(c.uids))].Slot(), at, 3)
	}
	for _, list := range []func(func(*kv.Entry) bool){
		func(yield func(*kv.Entry) bool) { c.s.List(nil, "key", "", r.IntN(100), yield) },
		func(yield func(*kv.Entry) bool) { c.s.Entries(uint8(r.IntN(5)), "", yield) },
	} {
		last := ""
		list(func(e *kv.Entry) bool {
			if e.Key <= last {
				c.t.Errorf("%q comes after %q", e.Key, last)
			}
			last = e.Key
			return true
		})
	}
}

// TestFreedOnce: whoever lets go last, the index or one of many readers, frees.
func TestFreedOnce(t *testing.T) {
	s := open(t, Options{})
	body := noise(1, 100_000)
	u := secret.Sum(body)
	for range 300 {
		if _, err := s.InstallBytes(u, body, 0); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			v := s.Value(u)
			wg.Go(func() { v.Close() })
		}
		wg.Go(func() { s.Drop(u) })
		wg.Wait()
		checkEmpty(t, s)
	}
}

// TestRefersWhileReplaced: a value that a key refers to before and after an entry is
// replaced is never without a reference in between, or it would be freed (I5).
func TestRefersWhileReplaced(t *testing.T) {
	s := open(t, Options{})
	u := secret.Sum([]byte("kept"))
	e := kv.Entry{Key: "key", UID: u, Version: kv.Version{View: 1, N: 1}}
	s.Apply(4, &e)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := range uint64(5000) {
			s.Apply(4, &kv.Entry{Key: "key", UID: u, Version: kv.Version{View: 1, N: n + 2}})
			if n%50 == 0 {
				s.Compact()
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if slot, ok := s.Refers(u, nil); !ok || slot != 4 {
			t.Fatal("a reference was gone for a moment")
		}
	}
	wg.Wait()
}
