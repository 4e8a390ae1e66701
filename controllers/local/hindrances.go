package local

import (
	"slices"
	"strings"
	"time"

	"github.com/eiri/seppen/controllers/placement"
)

// stuckFor is for how long a node may fail to copy before that is said: while owners
// change much fails that succeeds a moment later.
const stuckFor = 2 * time.Second

// hindrances says which nodes cannot copy what they are to hold, and why. Each cause is
// said once, whichever slot it holds up at the moment, until the node has everything.
func (a *author) hindrances() {
	for _, n := range a.nodes {
		why := n.status.Stuck
		if why == "" || n.dropped || !a.ready || a.silence(n) >= placement.SuspectAfter {
			n.hindered = 0
			if n.status.Ready {
				n.causes = nil
			}
			continue
		}
		if n.hindered == 0 {
			n.hindered = a.clock.now
		}
		cause := why[strings.LastIndex(why, ": ")+1:]
		if a.clock.now-n.hindered >= stuckFor && !slices.Contains(n.causes, cause) {
			n.causes = append(n.causes, cause)
			a.out.note("waiting: %s: %s", n.name, why)
		}
	}
}
