package local

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/eiri/seppen/api/peer"
)

const stopTimeout = 10 * time.Second

// dissolveTimeout is how long nodes may take to hear that the cluster is no more.
const dissolveTimeout = time.Second

// dissolve tells all nodes that there is nothing to wait for.
func (a *author) dissolve() {
	ctx, cancel := context.WithTimeout(context.Background(), dissolveTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, n := range a.nodes {
		if conn := n.conn; conn != nil {
			all.Go(func() {
				_ = peer.PushSettings(ctx, conn, peer.Settings{Dissolve: true}) // one that does not hear it is killed after a while
			})
		}
	}
	all.Wait()
}

// stop ends all children: it asks all of them at once, and after a while, or when the
// user asks a second time, it no longer asks. Nobody is left for whom they could wait.
func (a *author) stop() {
	a.dissolve()
	var running []*process
	for _, n := range a.nodes {
		if n.conn != nil {
			n.conn.Close()
		}
		if n.proc != nil {
			running = append(running, n.proc)
			n.proc.signal(syscall.SIGTERM)
		}
	}
	enough := time.NewTimer(stopTimeout)
	defer enough.Stop()
	killed := false
	kill := func() {
		killed = true
		for _, p := range running {
			p.signal(os.Kill)
		}
	}
	for _, p := range running {
		if !killed {
			select {
			case <-p.done:
			case <-enough.C:
				kill()
			case <-a.cfg.Kill:
				kill()
			}
		}
		<-p.done
	}
	a.workers.Wait()
}
