package node

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// contents are keys with values that a test has written, which must be there.
type contents map[string][]byte

// fill writes keys of each pair of owners, with values of each.
func (c *cluster) fill() contents {
	c.t.Helper()
	all := contents{}
	for i := range 60 {
		key, value := fmt.Sprintf("key-%03d", i), noise(byte(i), []int{0, 30, 4097, 70_000}[i%4])
		if r := c.do(i%len(c.nodes), "PUT", key, value); r.status != 201 {
			c.t.Fatalf("PUT: %d %s", r.status, r.body)
		}
		all[key] = value
	}
	return all
}

// keeps checks that all keys are there, whichever of some nodes is asked, and in its list.
func (c *cluster) keeps(all contents, nodes ...int) {
	c.t.Helper()
	var keys []string
	for key, value := range all {
		keys = append(keys, key)
		for _, i := range nodes {
			if r := c.do(i, "GET", key, nil); r.status != 200 || !bytes.Equal(r.body, value) {
				c.t.Errorf("GET %s at node %d: %d, %d bytes, want %d", key, i, r.status, len(r.body), len(value))
			}
		}
	}
	for _, i := range nodes {
		listed := strings.Fields(string(c.do(i, "GET", "", nil).body))
		missing := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return slices.Contains(listed, key) })
		if len(missing) > 0 {
			c.t.Errorf("list at node %d: %v are missing", i, missing)
		}
	}
}

// A backup that died holds up the writes that need it, and the reads when the leases have
// run out; the layout without it ends that, and nothing is lost.
func TestDeadBackup(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 2, plenty, nil)
	all := c.fill()
	waits, goesOn := c.keyAt(1, 0), c.keyAt(0, 2)
	all[waits] = []byte("x")
	c.do(1, "PUT", waits, all[waits])
	if err := c.nodes[0].stop(); err != nil {
		t.Fatal(err)
	}
	c.eventually(func() bool { // by a write that would come to nothing
		r, err := c.try(1, "DELETE", waits, nil, "If-Match", `"another"`)
		reason := kv.Reason(r.header.Get("Seppen-Reason"))
		return err == nil && r.status == 503 && (reason == kv.OwnerLost || reason == kv.CutOff)
	}, "writes are refused")
	c.eventually(func() bool {
		r, err := c.try(1, "GET", waits, nil)
		return err == nil && r.status == 503
	}, "the lease has run out")
	for i := 1; i <= 2; i++ {
		c.refused(i, "GET", waits, kv.CutOff)
		c.refused(i, "DELETE", waits, kv.CutOff)
		c.refused(i, "GET", goesOn, kv.Unreachable) // its primary is the one who died
		if r, err := c.try(i, "GET", "", nil); err != nil || r.status != 503 {
			t.Errorf("a list without the keys of some: %d %v", r.status, err)
		}
	}
	c.write(func(d *draft) { d.remove(c.nodes[0], true) })
	c.tell(c.nodes[2])
	c.keeps(all, 2, 1)
	all[waits], all[goesOn] = []byte("y"), []byte("z")
	c.do(1, "PUT", waits, all[waits])
	c.do(1, "PUT", goesOn, all[goesOn])
	c.keeps(all, 1, 2)
}

// The next owner takes over from a primary that is gone: at once if it is proven dead, else
// when the lease has run out that it has from that one.
func TestDeadPrimary(t *testing.T) {
	for name, dead := range map[string]bool{"proven": true, "not proven": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 1, 2, plenty, slow)
			all := c.fill()
			theirs := c.keyAt(0, 1)
			all[theirs] = []byte("x")
			c.do(0, "PUT", theirs, all[theirs])
			began := time.Now()
			if err := c.nodes[0].stop(); err != nil {
				t.Fatal(err)
			}
			c.write(func(d *draft) { d.remove(c.nodes[0], dead) })
			c.tell(c.nodes[1])
			slot := c.secret.KeySlot(theirs)
			c.eventually(func() bool { return c.nodes[1].replica.State(slot, clock.Now()).Active }, "it has taken over")
			// The last beat was granted a beat's pause before the end, or a little more.
			earliest := c.seconds(3.3 - 0.4 - 0.4)
			if took := time.Since(began); !dead && took < earliest {
				t.Errorf("it took over after %v, and its predecessor may have answered until %v", took, earliest)
			}
			c.keeps(all, 1)
			if r := c.do(1, "PUT", theirs, []byte("y")); r.status != 204 {
				t.Errorf("PUT: %d", r.status)
			}
		})
	}
}

// What was under way at a primary when it died is not lost where it had come to an owner,
// and a client that was not answered may find it done (R8).
func TestPendingWriteOfADeadPrimary(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 3, plenty, nil)
	key := c.keyAt(0, 2, 1)
	value := []byte("value")
	c.nodes[1].gate.hold(wire.OpReplicate)
	if r := c.do(0, "PUT", key, value); r.status != 504 {
		t.Fatalf("PUT: %d", r.status)
	}
	if err := c.nodes[0].stop(); err != nil {
		t.Fatal(err)
	}
	c.nodes[1].gate.drop()
	c.write(func(d *draft) { d.remove(c.nodes[0], true) })
	c.tell(c.nodes[1], c.nodes[2])
	for i := 1; i <= 2; i++ {
		if r := c.do(i, "GET", key, nil); r.status != 200 || !bytes.Equal(r.body, value) {
			t.Errorf("GET: %d", r.status)
		}
		if e, ok := c.nodes[i].store.Entry(c.secret.KeySlot(key), key); !ok || e.Version.View != 2 {
			t.Errorf("node %d has %v %+v", i, ok, e)
		}
	}
}

// A primary that hands over finishes what is under way with its successor, and its client
// hears of that.
func TestHandOver(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, slow)
	all := c.fill()
	key := c.keyAt(0, 1)
	c.nodes[1].gate.hold(wire.OpReplicate)
	done := make(chan response, 1)
	go func() {
		r, err := c.try(0, "PUT", key, []byte("v"))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	c.nodes[1].gate.holds(c)
	c.write(func(d *draft) { d.first(c.nodes[1]) })
	c.tell(c.nodes[0])
	c.nodes[1].gate.open()
	if r := <-done; r.status != 201 {
		t.Errorf("PUT: %d %s", r.status, r.body)
	}
	all[key] = []byte("v")
	c.keeps(all, 0, 1)
	c.says(c.nodes[1], "is active", active)
	if s := c.nodes[0].Status(); s.Lease != "" || s.SlotsOwned != layout.Slots || s.SlotsComplete != layout.Slots {
		t.Errorf("the one who handed over: %+v", s)
	}
}
