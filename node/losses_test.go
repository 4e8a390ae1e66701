package node

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// giveUp has a new node begin in the place of one that died with the only copies of its
// slots.
func (c *cluster) giveUp(dead int) (begins *running) {
	c.t.Helper()
	n := c.nodes[dead]
	if err := n.stop(); err != nil {
		c.t.Fatal(err)
	}
	begins = startNode(c.t, layout.Name{Base: "snow-r2", Range: n.cfg.Name.Range}, plenty, slow)
	begins.gate.hold(wire.OpTouch) // nobody can look for values yet
	c.nodes[dead] = begins
	c.write(func(d *draft) { d.admit(begins) })
	c.tell(begins)
	c.write(func(d *draft) {
		for s := range d.orders {
			if n.cfg.Name.Range.Contains(uint8(s)) {
				d.losses[s] = d.Epoch
			}
		}
		d.remove(n, true)
		d.phase(begins, layout.Serving)
	})
	c.tell(c.nodes...)
	return begins
}

// Slots of which all copies died begin anew with nothing. Keys of other slots whose values
// died with them are neither promised nor denied until that is known; then they are gone,
// and counted (F28, §4.8).
func TestGivenUpSlots(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 1, plenty, slow)
	keep, lost := contents{}, contents{}
	for i := range 2 {
		for j := range 5 {
			key := c.keyOf(i, fmt.Sprint("keeps-", j, "-"))
			keep[key] = c.valueOnly(1-i, 100, uint64(j))
			gone := c.keyOf(i, fmt.Sprint("gone-", j, "-"))
			lost[gone] = c.valueOnly(2, 100, uint64(j/2)) // some share theirs
		}
	}
	own := c.keyOf(2, "own-")
	lost[own] = c.valueOnly(0, 100, 77)
	for _, all := range []contents{keep, lost} {
		for key, value := range all {
			c.do(0, "PUT", key, value)
		}
	}
	begins := c.giveUp(2)
	begins.gate.holds(c)
	gone := c.keyOf(0, "gone-0-")
	for i := range c.nodes {
		c.refused(i, "GET", gone, kv.ValueLost)
		c.refused(i, "DELETE", gone, kv.ValueLost)
		c.refused(i, "GET", "", kv.ValueLost)
		for key, value := range keep {
			if r := c.do(i, "GET", key, nil); r.status != 200 || !bytes.Equal(r.body, value) {
				t.Errorf("GET %s at node %d: %d", key, i, r.status)
			}
		}
	}
	for i := range 2 {
		if s := c.nodes[i].Status(); s.Purged != 0 {
			t.Errorf("node %d says that all traces are gone", i)
		}
	}
	again := c.keyOf(1, "gone-1-") // whoever writes a key anew need not wait
	keep[again] = c.valueOnly(0, 100, 99)
	delete(lost, again)
	if r := c.do(1, "PUT", again, keep[again]); r.status != 204 {
		t.Errorf("PUT: %d %s", r.status, r.body)
	}
	begins.gate.open()
	for i := range c.nodes {
		c.eventually(func() bool { return c.nodes[i].Status().Purged == c.layout.Epoch }, "it is known what is lost")
	}
	c.keeps(keep, 0, 1, 2)
	purged := 0.0
	for i, n := range c.nodes {
		for key := range lost {
			if r := c.do(i, "GET", key, nil); r.status != 404 {
				t.Errorf("GET %s at node %d: %d", key, i, r.status)
			}
		}
		purged += n.figures()["purged_total"]
		if n.figures()["slots_lost"] != float64(n.Status().SlotsOwned) && i == 2 {
			t.Errorf("%v slots are said to be lost", n.figures()["slots_lost"])
		}
	}
	if purged != 9 {
		t.Errorf("%v keys were purged", purged)
	}
	c.write(func(d *draft) { d.losses = [layout.Slots]uint64{} })
	c.tell(c.nodes[0])
	c.eventually(func() bool { return c.nodes[0].figures()["slots_lost"] == 0 }, "the mark is gone")
	for key, value := range lost {
		if r := c.do(1, "PUT", key, value); r.status != 201 {
			t.Errorf("PUT of a key that was lost: %d", r.status)
		}
	}
	c.keeps(lost, 0, 1, 2)
}

// A value that one of the new owners happens to have is not lost: the key keeps it.
func TestValueThatIsStillThere(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 1, plenty, slow)
	key, value := c.keyOf(0, "key-"), c.valueOnly(2, 100, 1)
	c.do(0, "PUT", key, value)
	begins := c.giveUp(2)
	begins.gate.holds(c)
	if r := c.do(1, "PUT", c.keyOf(1, "other-"), value); r.status != 201 {
		t.Fatalf("PUT: %d %s", r.status, r.body)
	}
	if !begins.store.Has(c.secret.Sum(value)) {
		t.Fatal("it is not where it should be")
	}
	begins.gate.open()
	c.eventually(func() bool { return c.nodes[0].Status().Purged == c.layout.Epoch }, "it is known what is lost")
	c.keeps(contents{key: value, c.keyOf(1, "other-"): value}, 0, 1, 2)
}
