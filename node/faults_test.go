package node

import (
	"net"
	"sync"
	"testing"

	"github.com/eiri/seppen/api/layout"
)

// fault is a way to a node's peer port that can stand still, break and be shut.
type fault struct {
	l      net.Listener
	target string
	gate   sync.RWMutex // held for writing while it stands still

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	shut  bool
	still bool
	wg    sync.WaitGroup
}

// faultyCluster is a cluster whose nodes reach each other through faults, one in front
// of each node.
func faultyCluster(t testing.TB, shards, copies int, change func(*Config)) (*cluster, []*fault) {
	var faults []*fault
	c := startClusterVia(t, shards, copies, plenty, change, func(n *running) string {
		f := newFault(t, n)
		faults = append(faults, f)
		return f.l.Addr().String()
	})
	return c, faults
}

func newFault(t testing.TB, n *running) *fault {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fault{l: l, target: n.peerAddr, conns: make(map[net.Conn]struct{})}
	f.wg.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *fault) accept() {
	for {
		from, err := f.l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", f.target)
		if err != nil || !f.add(from, to) {
			from.Close()
			if to != nil {
				to.Close()
			}
			continue
		}
		f.wg.Go(func() { f.carry(from, to) })
		f.wg.Go(func() { f.carry(to, from) })
	}
}

func (f *fault) add(conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range conns {
		f.conns[c] = struct{}{}
	}
	return !f.shut
}

func (f *fault) carry(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		f.gate.RLock()
		if n > 0 && err == nil {
			_, err = to.Write(buf[:n])
		}
		f.gate.RUnlock()
		if err != nil {
			break
		}
	}
	from.Close()
	to.Close()
	f.mu.Lock()
	delete(f.conns, from)
	f.mu.Unlock()
}

// stall holds everything up until resume.
func (f *fault) stall() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.still {
		f.still = true
		f.gate.Lock()
	}
}

func (f *fault) resume() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.still {
		f.still = false
		f.gate.Unlock()
	}
}

// reset breaks all connections there are.
func (f *fault) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		if c, ok := c.(*net.TCPConn); ok {
			_ = c.SetLinger(0) // so that the other side sees a reset
		}
		c.Close()
	}
}

// cut breaks all connections and lets none through until mend.
func (f *fault) cut() {
	f.mu.Lock()
	f.shut = true
	f.mu.Unlock()
	f.reset()
}

func (f *fault) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut = false
}

func (f *fault) close() {
	f.l.Close()
	f.resume()
	f.cut()
	f.wg.Wait()
}

// keyAt returns a key, other than those given, whose primary and backups are these
// nodes in this order.
func (c *cluster) keyAt(nodes ...int) string {
	table := layout.NewTable(c.layout)
	for i := 0; ; i++ {
		key := "key-" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		if c.ownedBy(table, c.secret.KeySlot(key), nodes) {
			return key
		}
	}
}

// valueAt returns a value of some size whose owners are these nodes in this order.
func (c *cluster) valueAt(size int, nodes ...int) []byte {
	table := layout.NewTable(c.layout)
	for i := 0; ; i++ {
		v := noise(byte(i), size)
		if size >= 2 {
			v[0], v[1] = byte(i), byte(i>>8)
		}
		if c.ownedBy(table, c.secret.Sum(v).Slot(), nodes) {
			return v
		}
	}
}

func (c *cluster) ownedBy(table *layout.Table, slot uint8, nodes []int) bool {
	owners := table.Owners(slot).Ack
	if len(owners) != len(nodes) {
		return false
	}
	for i, m := range owners {
		if m.Incarnation != c.nodes[nodes[i]].state.Incarnation() {
			return false
		}
	}
	return true
}
