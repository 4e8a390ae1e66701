package node

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eiri/seppen/node/wire"
)

// writer is one client that says what went wrong with any of its requests.
type writer struct {
	t   *testing.T
	c   *cluster
	rnd *rand.Rand
}

// write sends a request until it is executed; 503 means that it was not, and 504 that it may
// have been.
func (w *writer) write(method, key string, body []byte, want ...int) {
	for range 200 {
		r, err := w.c.try(w.rnd.IntN(len(w.c.nodes)), method, key, body)
		if err != nil {
			w.t.Errorf("%s %s: %v", method, key, err)
			return
		}
		switch {
		case slices.Contains(want, r.status):
			return
		case r.status == http.StatusGatewayTimeout:
			want = []int{http.StatusCreated, http.StatusNoContent, http.StatusNotFound}
		case r.status != http.StatusServiceUnavailable:
			w.t.Errorf("%s %s: %d %s, want %d", method, key, r.status, r.body, want)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Errorf("%s %s: 503 again and again", method, key)
}

// get reads a key. Where seconds are short the leases are too, and 503 is no answer.
func (w *writer) get(key string) (r response, ok bool) {
	for range 200 {
		r, err := w.c.try(w.rnd.IntN(len(w.c.nodes)), "GET", key, nil)
		if err != nil {
			w.t.Errorf("GET %s: %v", key, err)
			return r, false
		}
		if r.status != http.StatusServiceUnavailable {
			return r, true
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Errorf("GET %s: 503 again and again", key)
	return r, false
}

// reads checks that the key has exactly this value, or none if nil.
func (w *writer) reads(key string, want []byte) {
	switch r, ok := w.get(key); {
	case !ok:
	case want == nil && r.status != 404, want != nil && (r.status != 200 || !bytes.Equal(r.body, want)):
		w.t.Errorf("GET %s: %d, %d bytes, want %d: %.200q", key, r.status, len(r.body), len(want), r.body)
	}
}

func (w *writer) upTo(d time.Duration) { time.Sleep(rand.N(d)) }

// handOver has one key give up a value while another takes it, at about the moment
// when nobody needs it any more and its owners ask about it.
func (w *writer) handOver(a, b string, value []byte) {
	w.write("PUT", a, value, 201)
	w.write("PUT", a, value, 204)
	if w.rnd.IntN(2) == 0 { // be old enough to be freed
		time.Sleep(325 * time.Millisecond)
	}
	var both sync.WaitGroup
	other := w.clone()
	both.Go(func() { other.write("DELETE", a, nil, 204) })
	w.upTo(30 * time.Millisecond)
	w.write("PUT", b, value, 201)
	both.Wait()
	w.reads(a, nil)
	for range 3 {
		w.reads(b, value)
		w.upTo(40 * time.Millisecond)
	}
	w.write("DELETE", b, nil, 204)
	w.reads(b, nil)
	if w.rnd.IntN(2) == 0 {
		w.upTo(375 * time.Millisecond)
	}
}

func (w *writer) clone() *writer {
	return &writer{w.t, w.c, rand.New(rand.NewPCG(w.rnd.Uint64(), 0))}
}

// churn writes its own key, and keys that others write too, with values that all share.
func (w *writer) churn(own string, common []string, values [][]byte) {
	v := values[w.rnd.IntN(len(values))]
	w.write("PUT", own, v, 201, 204)
	w.reads(own, v)
	key := common[w.rnd.IntN(len(common))]
	if w.rnd.IntN(3) == 0 {
		w.write("DELETE", key, nil, 204, 404)
	} else {
		w.write("PUT", key, values[w.rnd.IntN(len(values))], 201, 204)
	}
	if w.rnd.IntN(3) == 0 {
		w.write("DELETE", own, nil, 204)
		w.reads(own, nil)
	} else {
		w.reads(own, v)
	}
	if w.rnd.IntN(4) == 0 { // long enough for the values to be freed
		w.upTo(600 * time.Millisecond)
	}
}

// read finds any of the values, whole, or no key.
func (w *writer) read(key string, valid map[string]bool) {
	switch r, ok := w.get(key); {
	case !ok:
	case r.status == 404:
	case r.status != 200 || !valid[string(r.body)] || r.header.Get("ETag") != w.c.secret.Sum(r.body).ETag():
		w.t.Errorf("GET %s: %d, %d bytes of no value: %.200q", key, r.status, len(r.body), r.body)
	}
	w.upTo(2 * time.Millisecond)
}

// Values that come and go under many keys at once, and are freed all the time, are
// never missing where a key has them: what the original gets wrong.
func TestSharedValues(t *testing.T) {
	c := startCluster(t, 3, 2, plenty, quick)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var all sync.WaitGroup
	var seed, rounds atomic.Uint64
	during := func(f func(w *writer)) {
		w := &writer{t, c, rand.New(rand.NewPCG(seed.Add(1), 7))}
		all.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				f(w)
				rounds.Add(1)
			}
		})
	}
	var values [][]byte
	valid := make(map[string]bool)
	for i, size := range []int{0, 100, 5000, 70_000} {
		values = append(values, noise(byte(i), size))
		valid[string(values[i])] = true
	}
	common := []string{"common-1", "common-2", "common-3"}
	for i := range 4 {
		during(func(w *writer) { w.churn(fmt.Sprint("own-", i), common, values) })
	}
	for i := range 2 {
		during(func(w *writer) { w.read(common[i], valid) })
	}
	for i := range 24 {
		size := []int{90, 90, 90, 6000, 70_000}[i%5]
		value := noise(byte(100+i), size)
		during(func(w *writer) { w.handOver(fmt.Sprint("from-", i), fmt.Sprint("to-", i), value) })
	}
	all.Wait()
	var freed int64
	for _, n := range c.nodes {
		freed += n.reclaim.Freed()
	}
	t.Logf("%d rounds, %d copies freed", rounds.Load(), freed)
	if freed < 10 {
		t.Errorf("only %d copies were freed: nothing was tested", freed)
	}
	for _, key := range bytes.Fields(c.do(0, "GET", "", nil).body) {
		c.do(0, "DELETE", string(key), nil)
	}
	c.eventually((&model{c: c}).tidy, "values without keys and tombstones are gone")
}

// A write that waits for a backup is seen by nobody, and the value it brings and the
// one it replaces stay, however long it takes and whether or not anybody waits for it
// (F1, F27).
func TestPendingWriteKeepsItsValues(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 2, plenty, nil)
	key := c.keyAt(0, 2)
	before, after := c.valueAt(300, 1, 0), c.valueAt(5000, 1, 0)
	other := c.keyAt(1, 0)
	c.do(0, "PUT", key, before)
	c.do(0, "PUT", other, after)
	c.do(0, "DELETE", other, nil) // whoever asks for the value's witness hears no
	c.nodes[2].gate.hold(wire.OpReplicate)
	if r := c.do(0, "PUT", key, after); r.status != http.StatusGatewayTimeout {
		t.Fatalf("PUT that its backup does not confirm: %d %s", r.status, r.body)
	}
	stays := func() {
		t.Helper()
		for _, n := range c.nodes[:2] {
			if !n.store.Has(c.secret.Sum(before)) || !n.store.Has(c.secret.Sum(after)) {
				t.Fatal("a value of a write under way was freed")
			}
		}
		for i := range c.nodes {
			if r := c.do(i, "GET", key, nil); r.status != 200 || !bytes.Equal(r.body, before) {
				t.Fatalf("GET while a write is pending: %d, %d bytes", r.status, len(r.body))
			}
		}
	}
	// Another value of the same owners that nobody needs: when it goes, so could these.
	idle := append(bytes.Clone(after), 0)
	for c.secret.Sum(idle).Slot() != c.secret.Sum(after).Slot() {
		idle = append(idle, 0)
	}
	c.do(0, "PUT", other, idle)
	c.do(0, "DELETE", other, nil)
	for gone := false; !gone; {
		gone = !c.nodes[0].store.Has(c.secret.Sum(idle)) && !c.nodes[1].store.Has(c.secret.Sum(idle))
		stays()
	}
	c.nodes[2].gate.open()
	c.eventually(func() bool {
		r := c.do(2, "GET", key, nil)
		return r.status == 200 && bytes.Equal(r.body, after)
	}, "the write is completed")
	c.eventually(func() bool { return !c.nodes[1].store.Has(c.secret.Sum(before)) }, "the value that was replaced is freed")
}
