package peers

import (
	"sync"
	"time"

	"github.com/eiri/seppen/node/cores"
)

// gateHold is how long one who copies from this node is thought to use a core: who is still
// at it then waits for the network, and the next one's turn has come.
const gateHold = 20 * time.Millisecond

// gate lets few of those who copy from this node be answered at a time, in the order in which
// they ask, however many members join.
type gate struct {
	once  sync.Once
	hands *cores.Hands
}

// enter waits for its turn. What it returns ends it, and may be called again.
func (s *Service) enter() (leave func()) {
	s.gate.once.Do(func() { s.gate.hands = cores.NewHands(s.Clients) })
	s.gate.hands.Take()
	once := sync.OnceFunc(s.gate.hands.Give)
	timer := time.AfterFunc(gateHold, once)
	return func() {
		timer.Stop()
		once()
	}
}
