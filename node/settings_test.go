package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// configure tells a node settings, as the author does.
func (c *cluster) configure(n *running, s peer.Settings) {
	c.t.Helper()
	if err := c.settings(n, layout.ID{}, s); err != nil {
		c.t.Error(err)
	}
}

func (c *cluster) settings(n *running, from layout.ID, s peer.Settings) error {
	c.t.Helper()
	d := c.dialer()
	self := peer.Hello{Cluster: c.layout.Cluster, Name: "author", Incarnation: from}
	d.Self = func() peer.Hello { return self }
	conn, err := d.Dial(context.Background(), n.peerAddr, layout.ID{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	return peer.PushSettings(context.Background(), conn, s)
}

// The author's limit holds up what a node copies, until there is none any more.
func TestTransferLimit(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	const values, size = 64, 32 << 10
	for i := range values {
		c.do(0, "PUT", fmt.Sprint("key-", i), noise(byte(i), size))
	}
	n := newcomer(t, "snow-r2", nil)
	c.configure(n, peer.Settings{TransferBytesPerSecond: 1 << 10})
	c.write(func(d *draft) { d.admit(n) })
	c.tell(n)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if copied := n.store.Stats().Values; copied > values/2 {
			t.Fatalf("it copied %d values in no time", copied)
		}
	}
	c.configure(n, peer.Settings{})
	c.says(n, "has copied", copied)
	if copied := n.store.Stats().Values; copied != values {
		t.Errorf("it copied %d values", copied)
	}
}

// What keeps a node from copying it says, so that its author can.
func TestStuck(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	for i := range 8 {
		c.do(0, "PUT", fmt.Sprint("key-", i), noise(byte(i), 1<<20))
	}
	n := startNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 255}}, memory{store: 4 << 20, transit: 1 << 20, heap: 1 << 30, conns: 100}, nil)
	c.write(func(d *draft) { d.admit(n) })
	c.tell(n)
	c.eventually(func() bool { return strings.HasSuffix(n.Status().Stuck, ": memory limit reached") }, "the newcomer says what it lacks")
	if s := c.nodes[0].Status().Stuck; s != "" {
		t.Errorf("one that lacks nothing: %s", s)
	}
}

// A node that hears that its cluster is no more ends, whatever it holds. A node's word for it
// does not count.
func TestDissolve(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 2, plenty, patient)
	c.fill()
	self := c.nodes[1].state.Incarnation()
	if err := c.settings(c.nodes[0], self, peer.Settings{Dissolve: true}); !errors.Is(err, peer.ErrSettings) {
		t.Errorf("a node dissolved the cluster: %v", err)
	}
	c.passesOn(c.nodes[0])
	for _, n := range c.nodes {
		c.configure(n, peer.Settings{Dissolve: true})
	}
	for _, n := range c.nodes {
		c.ended(n)
	}
}
