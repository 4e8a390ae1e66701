package peers

import (
	"runtime"
	"sync"
	"time"
)

// gateHold is how long one who copies from this node is thought to use a core: who is still
// at it then waits for the network, and the next one's turn has come.
const gateHold = 20 * time.Millisecond

// gate lets few of those who copy from this node be answered at a time, in the order in which
// they ask: half of the cores are left to clients, however many members join.
type gate struct {
	once  sync.Once
	inner chan struct{}
}

// enter waits for its turn. What it returns ends it, and may be called again.
func (g *gate) enter() (leave func()) {
	g.once.Do(func() { g.inner = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) })
	g.inner <- struct{}{}
	once := sync.OnceFunc(func() { <-g.inner })
	timer := time.AfterFunc(gateHold, once)
	return func() {
		timer.Stop()
		once()
	}
}
