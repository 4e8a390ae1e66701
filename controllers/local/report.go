package local

import (
	"fmt"
	"strings"
	"time"
)

// report says ready once all nodes serve, and gives up if that takes too long.
func (a *author) report() {
	if a.ready {
		return
	}
	var waiting []string
	for _, n := range a.nodes {
		switch {
		case n.conn == nil:
			waiting = append(waiting, fmt.Sprintf("%s: no answer yet", n.name))
		case !n.status.Ready:
			waiting = append(waiting, fmt.Sprintf("%s: %s", n.name, n.status.Reason))
		}
	}
	switch took := time.Since(a.started); {
	case len(waiting) == 0:
		a.ready = true
		a.out.cluster(a.nodes, took)
	case took > a.cfg.startTimeout:
		a.fatal = fmt.Errorf("%d of %d nodes are not ready after %v:\n%s", len(waiting), len(a.nodes), a.cfg.startTimeout, strings.Join(waiting, "\n"))
	}
}

// upset: from now on not all is as it should be.
func (a *author) upset() {
	if a.trouble.IsZero() && a.ready {
		a.trouble = time.Now()
	}
}

// relax says that all is as it should be again.
func (a *author) relax(calm bool) {
	if calm && !a.trouble.IsZero() {
		a.out.note("All nodes serve, and every slot has all its copies again, after %.1f s.", time.Since(a.trouble).Seconds())
		a.trouble = time.Time{}
	}
}
