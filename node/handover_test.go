package node

import (
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// calm is for tests in which nothing may be refused: seconds are long enough that neither
// leases run out nor owners count as lost because the machine is busy.
func calm(cfg *Config) {
	patient(cfg)
	cfg.second = 3 * time.Second
	cfg.Linger = 500 * time.Millisecond
	cfg.DrainTimeout = 10 * time.Second // a connection on which nothing was asked yet takes 5
}

// answersAll checks that so far no request was refused for which the router need not have
// given up, and that of none the outcome is unknown.
func (h *history) answersAll() {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.hasty)+h.unknown > 0 {
		h.t.Errorf("%d requests were refused: %q; of %d the outcome is unknown", len(h.hasty), h.hasty, h.unknown)
	}
}

// The only copy of everything moves to another node while clients read and write at both and
// at a third that passes on, and its process was told to stop. It goes on until it is let go,
// and nothing is lost, stale or refused.
func TestHistoryWithTheOnlyCopyMoved(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, calm)
	all := c.fill()
	h := newHistory(t, c)
	goes, comes, third := c.nodes[0], newcomer(t, "snow-r1", calm), newcomer(t, "snow-r2", calm)
	c.write(func(d *draft) { d.admit(third) })
	c.tell(third, goes)
	h.ask(third)
	h.run(historyKeys, func() {
		goes.term()
		c.hears(goes)
		c.serves(comes)
		h.ask(comes)
		c.write(func(d *draft) { d.phase(goes, layout.Leaving) })
		c.tell(comes, goes)
		c.says(comes, "is active", active)
		c.unready(goes, "ending: leaving, ")
		c.nodes = append(c.nodes, comes, third)
		c.keeps(all, 0, 1, 2)
		c.nodes = c.nodes[1:2]
		if goes.hasEnded() {
			t.Error("it ended before it was let go")
		}
		h.answersAll()
		h.mayEnd(goes) // by now nobody has its address any more, but for these clients
		c.write(func(d *draft) { d.remove(goes, false) })
		c.dismiss(goes.peerAddr)
		c.tell(comes, third)
		c.ended(goes)
		h.leave(goes)
		time.Sleep(200 * time.Millisecond)
	})
	if len(h.hasty) > 0 {
		t.Errorf("requests were refused: %q", h.hasty)
	}
	c.keeps(all, 0)
	h.judge()
}

// A member that was about to leave stays after all, and is a primary again; so it goes several
// times, and then it retires and passes on. Nothing is lost, stale or refused.
func TestHistoryWithAChangeOfMind(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, calm)
	all := c.fill()
	h := newHistory(t, c)
	undecided, stays := c.nodes[0], c.nodes[1]
	h.run(historyKeys, func() {
		for i := range 3 {
			c.write(func(d *draft) { d.phase(undecided, layout.Leaving) })
			c.tell(c.nodes[i%2])
			c.unready(undecided, "leaving")
			if i > 0 { // and once before the other one has taken over
				c.says(stays, "is active", active)
				c.keeps(all, 0, 1)
			}
			c.write(func(d *draft) { d.phase(undecided, layout.Serving); d.first(undecided) })
			c.tell(c.nodes[(i+1)%2])
			c.says(undecided, "is active", active)
			c.eventually(func() bool { return undecided.Ready() == nil }, "it is ready again")
			c.keeps(all, 0, 1)
		}
		c.write(func(d *draft) { d.phase(undecided, layout.Leaving) })
		c.tell(c.nodes...)
		c.takenOver()
		h.answersAll()
		// Whoever waits here for a write that the new primary has completed may not hear of that
		// any more.
		c.write(func(d *draft) { d.remove(undecided, false) })
		c.tell(c.nodes...)
		c.unready(undecided, "retired: ")
		c.keeps(all, 0, 1)
	})
	if len(h.hasty) > 0 {
		t.Errorf("requests were refused: %q", h.hasty)
	}
	c.keeps(all, 0, 1)
	h.judge()
}
