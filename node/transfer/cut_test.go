package transfer_test

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/replica"
)

// cutter passes connections on to an address, and cuts each after some bytes that came back.
type cutter struct {
	net.Listener
	to    string
	after func() int64
	wg    sync.WaitGroup
	open  []net.Conn
	back  atomic.Int64 // bytes
	cuts  atomic.Int64
}

func newCutter(t *testing.T, to string, after func() int64) *cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{Listener: l, to: to, after: after}
	var accepting sync.WaitGroup
	accepting.Go(c.accept)
	t.Cleanup(func() {
		c.Close()
		accepting.Wait()
		for _, nc := range c.open {
			nc.Close()
		}
		c.wg.Wait()
	})
	return c
}

func (c *cutter) accept() {
	for {
		near, err := c.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		if err != nil {
			near.Close()
			continue
		}
		c.open = append(c.open, near, far)
		c.wg.Go(func() {
			_, _ = io.Copy(far, near)
			far.Close()
		})
		c.wg.Go(func() {
			n, err := io.CopyN(near, far, c.after())
			c.back.Add(n)
			if err == nil {
				c.cuts.Add(1)
			}
			near.Close()
			far.Close()
		})
	}
}

// TestJoinThroughCuts: a node joins another over connections that break again and again, and has all
// in the end. What came before a break does not come again, but for the batches under way.
func TestJoinThroughCuts(t *testing.T) {
	from, to := newSide(t, "from"), newSide(t, "to")
	random := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex
	cut := newCutter(t, from.address, func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return 200_000 + random.Int64N(1_200_000)
	})
	from.address = cut.Addr().String()
	adopt(t, 1, 1, layout.Joining, from)
	const total = 24 << 20
	from.fill(t, 4<<10, total)
	from.put(t, "large", 1<<40, append(make([]byte, 8<<20), "large"...))
	adopt(t, 2, 1, layout.Joining, from, to)
	until(t, "joining", func() bool { return to.allSlots(func(s replica.SlotState) bool { return s.Copied }) })
	if diff := cmp.Diff(from.content(), to.content()); diff != "" {
		t.Fatalf("(-from +to):\n%s", diff)
	}
	cuts, back := cut.cuts.Load(), cut.back.Load()
	if cuts < 10 {
		t.Errorf("only %d connections broke", cuts)
	}
	// Each break costs what was on its way of a batch, or of a page.
	if most := (total+8<<20)*11/10 + cuts*(300<<10); back > most {
		t.Errorf("%d bytes came for %d, with %d breaks", back, total+8<<20, cuts)
	}
}
