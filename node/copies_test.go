package node

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// tamper puts other bytes under a value's name at one of its owners.
func (c *cluster) tamper(node int, u uid.UID, with []byte) {
	c.t.Helper()
	s := c.nodes[node].store
	f, _ := s.Age(u)
	if !s.Drop(u) {
		c.t.Fatalf("node %d is no owner", node)
	}
	if _, err := s.InstallBytes(u, with, f.Witness); err != nil {
		c.t.Fatal(err)
	}
}

// holds tells whether a node's own copy is right.
func (c *cluster) holds(node int, value []byte) bool {
	v := c.nodes[node].store.Value(c.secret.Sum(value))
	if v == nil {
		return false
	}
	defer v.Close()
	var b bytes.Buffer
	return kv.WriteChunks(&b, v) == nil && bytes.Equal(b.Bytes(), value)
}

func flipped(value []byte) []byte {
	b := bytes.Clone(value)
	b[len(b)/2] ^= 4
	return b
}

// Readers never get the bytes of a copy that is corrupt, and it is healed (§4.5).
func TestCorruptCopyIsHealed(t *testing.T) {
	for _, small := range []bool{false, true} {
		mem := plenty
		if small {
			mem.transit = 1 // everything large passes through
		}
		c := startCluster(t, 3, 2, mem, slow)
		for _, primary := range [][]int{{0, 2}, {2, 1}} {
			for _, size := range []int{100, 5000, 200 << 10, 3 << 20} {
				t.Run(fmt.Sprintf("%d bytes, its key at node %d, small: %v", size, primary[0], small), func(t *testing.T) {
					key, value := c.keyAt(primary...), c.valueAt(size, 2, 1)
					if r := c.do(0, "PUT", key, value); r.status/100 != 2 {
						t.Fatal(r.status)
					}
					c.tamper(2, c.secret.Sum(value), flipped(value))
					c.eventually(func() bool {
						r, err := c.try(0, "GET", key, nil)
						if whole := err == nil && r.status == 200; whole && !bytes.Equal(r.body, value) {
							t.Fatalf("%d bytes that nobody wrote", len(r.body))
						} else if !whole && (!small || size <= 64<<10) {
							t.Fatalf("%d %v: another owner has it", r.status, err)
						}
						return c.holds(2, value)
					}, "the copy is healed")
					if !c.holds(1, value) {
						t.Error("the good copy is gone")
					}
				})
			}
		}
	}
}

// Where no good copy is left a reader hears that it can't be had, and not that there
// is no such key.
func TestNoCopyLeft(t *testing.T) {
	c := startCluster(t, 3, 2, plenty, nil)
	for _, size := range []int{100, 200 << 10} {
		key, value := c.keyAt(0, 2)+fmt.Sprint(size), c.valueAt(size, 2, 1)
		u := c.secret.Sum(value)
		c.do(0, "PUT", key, value)
		c.nodes[2].store.Drop(u)
		for i := range c.nodes {
			if r := c.do(i, "GET", key, nil); r.status != 200 || !bytes.Equal(r.body, value) {
				t.Errorf("%d bytes, gone at one owner: GET at node %d: %d", size, i, r.status)
			}
		}
		c.tamper(1, u, flipped(value))
		for range 5 {
			if r, err := c.try(0, "GET", key, nil); err != nil || r.status != 503 || r.header.Get("Retry-After") == "" {
				t.Errorf("%d bytes, gone at one and corrupt at the other: %d %v", size, r.status, err)
			}
		}
		if r := c.do(0, "HEAD", key, nil); r.status != 200 {
			t.Errorf("HEAD: %d", r.status)
		}
		if r := c.do(1, "PUT", key, value); r.status != 204 { // whoever has it can bring it back
			t.Errorf("PUT: %d %s", r.status, r.body)
		}
		c.eventually(func() bool { return c.holds(1, value) && c.holds(2, value) }, "both have it again")
	}
}

// Many may find one copy corrupt at once; the good one that the first of them brings
// is not dropped by the others.
func TestHealedOnce(t *testing.T) {
	c := startCluster(t, 3, 2, plenty, nil)
	value := c.valueAt(2<<20, 2, 1)
	c.do(0, "PUT", "k", value)
	for range 3 {
		c.tamper(2, c.secret.Sum(value), flipped(value))
		var healed atomic.Int64
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 500 * time.Microsecond) // some look while others heal
				bad, err := c.nodes[2].router.Heal(t.Context(), c.secret.Sum(value))
				if err != nil {
					t.Error(err)
				}
				if bad {
					healed.Add(1)
				}
			})
		}
		all.Wait()
		if healed.Load() != 1 || !c.holds(2, value) {
			t.Fatalf("dropped %d times, right now: %v", healed.Load(), c.holds(2, value))
		}
	}
}

var valueCalls = regexp.MustCompile(`(?m)^seppen_peer_call_duration_seconds_count\{operation="value"\} (\d+)$`)

// fetches is how many values a node has fetched from others.
func (c *cluster) fetches(node int) (n int) {
	resp, err := c.client.Get(c.nodes[node].admin + "/metrics")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		c.t.Fatal(err)
	}
	if m := valueCalls.FindSubmatch(b.Bytes()); m != nil {
		fmt.Sscan(string(m[1]), &n) //nolint:errcheck // they are digits
	}
	return n
}

// All who want a value at once share one fetch of it.
func TestOneFetchAtATime(t *testing.T) {
	c, faults := faultyCluster(t, 3, 2, slow)
	for i, size := range []int{5000, 300 << 10} {
		key, value := c.keyAt(0, 2), c.valueAt(size, 2, 1)
		c.do(0, "PUT", key, value)
		c.do(0, "GET", key, nil)
		before := c.fetches(0)
		faults[1].stall()
		faults[2].stall()
		var readers sync.WaitGroup
		for range 20 {
			readers.Go(func() {
				r, err := c.try(0, "GET", key, nil)
				if err != nil || r.status != http.StatusOK || !bytes.Equal(r.body, value) {
					t.Errorf("GET: %d, %d bytes, %v", r.status, len(r.body), err)
				}
			})
		}
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); { // all wait by then
			time.Sleep(10 * time.Millisecond)
		}
		faults[1].resume()
		faults[2].resume()
		readers.Wait()
		if n := c.fetches(0) - before; n != 1 {
			t.Errorf("%d: %d fetches", i, n)
		}
	}
}
