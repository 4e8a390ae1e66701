package local

import (
	"os"
	"syscall"
	"time"
)

const stopTimeout = 10 * time.Second

// stop ends all children: it asks all of them at once, and after a while, or when the
// user asks a second time, it no longer asks.
func (a *author) stop() {
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
