package node

import (
	"bytes"
	"errors"
	"testing"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
)

// A node that left passes on what it is asked, by newer layouts too, and has no part in
// anything else.
func TestRetiredNode(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, slow)
	all := c.fill()
	n := newcomer(t, "snow-r2", slow)
	c.retire(n)
	c.unready(n, "retired: ")
	s := n.Status()
	if !s.Retired || s.Ending || s.Phase != "" || s.SlotsOwned != 0 || len(s.Peers) != 0 || len(s.Segments) != 0 {
		t.Errorf("it says %+v", s)
	}
	for _, o := range c.nodes {
		if n.replica.Grant(o.state.Incarnation(), c.layout.Epoch-1, clock.Now()) {
			t.Error("it grants a lease in a layout in which it was a member")
		}
	}
	c.passesOn(n)
	c.nodes = append(c.nodes, n)
	c.keeps(all, 2)
	// It hears of a newer layout from those whom it asks.
	c.write((*draft).reverse)
	c.tell(c.nodes[0])
	c.takenOver()
	c.passesOn(n)
	all["large"] = noise(9, 300<<10)
	c.do(2, "PUT", "large", all["large"])
	c.keeps(all, 0, 1, 2)
	c.eventually(func() bool { return n.state.Epoch() == c.layout.Epoch }, "it has the newer layout")
	if !n.state.Retired() || n.hasEnded() {
		t.Error("it did not stay as it is")
	}
	c.nodes = c.nodes[:2]
	c.eventually(func() bool { return c.same(c.nodes[0], c.nodes[1]) == "" }, "the members have the same")
}

// An author that takes a retired node for a new process is mistaken: what the node holds is of
// the past. It drops that and begins anew.
func TestRetiredNodeIsNeverAMemberAgain(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	n := newcomer(t, "snow-r2", nil)
	c.retire(n)
	c.unready(n, "retired: ")
	c.write(func(d *draft) { d.admit(n) })
	c.dismiss(n.peerAddr)
	c.eventually(n.hasEnded, "it ends")
	if err := n.stop(); !errors.Is(err, ErrRemoved) || !n.wiped {
		t.Errorf("it ended with %v, wiped %v", err, n.wiped)
	}
	if m := n.state.Me(); m != nil {
		t.Errorf("it took itself for %s", m.Phase)
	}
}

// The copy of a member that is about to leave is good for those who have no whole one.
func TestValuesOfLeavingMembers(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, slow)
	c.write(func(d *draft) { d.phase(c.nodes[1], layout.Leaving) })
	c.tell(c.nodes...)
	c.says(c.nodes[0], "is active", active)
	for _, size := range []int{100, 300 << 10} {
		value := noise(byte(size), size)
		c.do(0, "PUT", "k", value)
		c.nodes[0].store.Drop(c.secret.Sum(value))
		for i := range c.nodes {
			if r := c.do(i, "GET", "k", nil); r.status != 200 || !bytes.Equal(r.body, value) {
				t.Errorf("%d bytes: GET at node %d: %d", size, i, r.status)
			}
		}
	}
}
