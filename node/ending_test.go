package node

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/wire"
)

// patient is for nodes that are let go before their time is up.
func patient(cfg *Config) { cfg.LeaveTimeout = 2 * patience }

func (n *running) hasEnded() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// ended waits until a node has ended by itself, without a fault.
func (c *cluster) ended(n *running) {
	c.t.Helper()
	c.eventually(n.hasEnded, n.cfg.Name.String()+" ends")
	if err := n.stop(); err != nil || n.wiped {
		c.t.Errorf("%s ended with %v, wiped %v", n.cfg.Name, err, n.wiped)
	}
}

// newcomer is a node of the whole ring.
func newcomer(t *testing.T, base string, change func(*Config)) *running {
	t.Helper()
	return startNode(t, layout.Name{Base: base, Range: layout.Range{Lo: 0, Hi: 255}}, plenty, change)
}

// Whoever has no duties ends at once when it is told to.
func TestEndsAtOnce(t *testing.T) {
	for name, prepare := range map[string]func(c *cluster, n *running){
		"it has no layout":       func(*cluster, *running) {},
		"it is in no layout":     func(c *cluster, n *running) { c.tell(n) },
		"it is joining":          func(c *cluster, n *running) { c.write(func(d *draft) { d.admit(n) }); c.tell(n) },
		"it retired":             func(c *cluster, n *running) { c.retire(n) },
		"it is not to wait":      func(c *cluster, n *running) { n.cfg.LeaveTimeout = 0; c.serves(n) },
		"the cluster is no more": func(c *cluster, n *running) { c.serves(n); n.dissolve() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 1, 1, plenty, nil)
			n := newcomer(t, "snow-r2", patient)
			prepare(c, n)
			n.term()
			c.ended(n)
		})
	}
}

// serves makes a node a serving member, the last in its order.
func (c *cluster) serves(n *running) {
	c.t.Helper()
	for _, step := range []struct {
		phase layout.Phase
		until func(*peer.SegmentStatus) bool
	}{{layout.Joining, copied}, {layout.Attached, complete}, {layout.Serving, complete}} {
		c.write(func(d *draft) {
			if step.phase == layout.Joining {
				d.admit(n)
			} else {
				d.phase(n, step.phase)
			}
		})
		c.tell(append([]*running{n}, c.nodes...)...)
		c.says(n, step.phase.String(), step.until)
	}
}

// retire has a node join, hand over and leave.
func (c *cluster) retire(n *running) {
	c.t.Helper()
	c.serves(n)
	c.write(func(d *draft) { d.phase(n, layout.Leaving) })
	c.tell(append([]*running{n}, c.nodes...)...)
	c.takenOver()
	c.write(func(d *draft) { d.remove(n, false) })
	c.tell(append([]*running{n}, c.nodes...)...)
}

// hears waits until a node knows that it is to stop. Whoever serves stays ready: it may be the
// only one who is.
func (c *cluster) hears(n *running) {
	c.t.Helper()
	c.eventually(func() bool { return n.Status().Ending }, n.cfg.Name.String()+" was told to stop")
	if me := n.state.Me(); (n.Ready() == nil) != (me != nil && me.Phase == layout.Serving) {
		c.t.Errorf("%s is %v and says %v", n.cfg.Name, me.Phase, n.Ready())
	}
}

// takenOver waits until the primaries of all slots are active.
func (c *cluster) takenOver() {
	c.t.Helper()
	table := layout.NewTable(c.layout)
	c.eventually(func() bool {
		for slot := range layout.Slots {
			o := table.Owners(uint8(slot))
			s := c.member(o.Primary.Incarnation).replica.State(uint8(slot), clock.Now())
			if !s.Active || s.View != o.View {
				return false
			}
		}
		return true
	}, "all primaries are active")
}

// A member goes on until the layout lets it go, or until nobody can.
func TestEndingMemberWaits(t *testing.T) {
	lifeline, parent := io.Pipe()
	for name, tt := range map[string]struct {
		change func(*Config)
		phase  layout.Phase
		end    func(c *cluster, n *running)
	}{
		"it leaves": {patient, layout.Serving, func(c *cluster, n *running) {
			c.write(func(d *draft) { d.phase(n, layout.Leaving) })
			c.tell(n, c.nodes[0])
			c.unready(n, "ending: leaving, ")
			c.says(c.nodes[0], "is active", active)
			c.passesOn(n)
			c.write(func(d *draft) { d.remove(n, false) })
			c.tell(n)
		}},
		"it is removed": {patient, layout.Serving, func(c *cluster, n *running) {
			c.write(func(d *draft) { d.remove(n, false) })
			c.dismiss(n.peerAddr)
		}},
		"it is removed before it serves": {patient, layout.Attached, func(c *cluster, n *running) {
			c.write(func(d *draft) { d.remove(n, false) })
			c.dismiss(n.peerAddr)
		}},
		"its parent is gone":     {func(cfg *Config) { patient(cfg); cfg.Lifeline = lifeline }, layout.Serving, func(*cluster, *running) { parent.Close() }}, //nolint:errcheck // a pipe's never fails
		"the cluster is no more": {patient, layout.Serving, func(c *cluster, n *running) { c.configure(n, peer.Settings{Dissolve: true}) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 1, 1, plenty, nil)
			n := newcomer(t, "snow-r2", tt.change)
			c.serves(n)
			if tt.phase == layout.Attached {
				c.write(func(d *draft) { d.phase(n, layout.Attached) })
				c.tell(n, c.nodes[0])
			}
			n.term()
			c.hears(n)
			c.passesOn(n)
			if n.hasEnded() {
				t.Fatal("it did not wait")
			}
			tt.end(c, n)
			c.ended(n)
		})
	}
}

// Nobody waits for ever, nor without a port.
func TestEndingMemberGivesUp(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, func(cfg *Config) { cfg.LeaveTimeout = 500 * time.Millisecond })
	told := time.Now()
	c.nodes[0].term()
	c.ended(c.nodes[0])
	if took := time.Since(told); took < c.nodes[0].cfg.LeaveTimeout {
		t.Errorf("it waited for only %v", took)
	}
	c = startCluster(t, 1, 1, plenty, patient)
	n := c.nodes[0]
	n.term()
	c.hears(n)
	n.failed <- io.ErrUnexpectedEOF
	c.eventually(n.hasEnded, "it ends")
	if err := n.stop(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("it ended with %v", err)
	}
}

// passesOn checks that a node answers for keys as ever, and asks for the connections to be
// closed if it is ending.
func (c *cluster) passesOn(n *running) {
	c.t.Helper()
	for range 20 {
		for _, q := range []struct {
			method string
			status int
		}{{"PUT", 201}, {"GET", 200}, {"PUT", 204}, {"DELETE", 204}, {"GET", 404}} {
			r := c.doAt(n.url, q.method, "passed-on", []byte("v"))
			if r.status != q.status {
				c.t.Errorf("%s at %s: %d %s, want %d", q.method, n.cfg.Name, r.status, r.body, q.status)
			}
			if r.closes != n.goes() {
				c.t.Errorf("%s at %s asks for the connection to be closed: %v", q.method, n.cfg.Name, r.closes)
			}
		}
	}
}

// A node that was told to stop and waits goes on with all that it does in the background:
// it keeps its leases, frees values, says how it is, and is ready.
func TestEndingMemberGoesOn(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, patient)
	n := c.nodes[0]
	all := c.fill()
	if s := n.Status(); s.Ending || s.WaitsFor != nil || !s.Ready {
		t.Errorf("it was not told to stop: %+v", s)
	}
	n.term()
	c.hears(n)
	if s := n.Status(); s.WaitsFor == nil || *s.WaitsFor > n.cfg.LeaveTimeout.Milliseconds() || *s.WaitsFor < patience.Milliseconds() {
		t.Errorf("it says that it waits for %v ms, of %v", s.WaitsFor, n.cfg.LeaveTimeout)
	}
	if s := n.Status(); !s.Ready || s.Retired || s.Phase != "serving" {
		t.Errorf("it says %+v", s)
	}
	if m := c.scrape(n); m["seppen_ending"] != "1" || m["seppen_ready"] != "1" {
		t.Errorf("its metrics say %v", m)
	}
	resp, err := c.client.Get(n.admin + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("readyz: %d %s %v", resp.StatusCode, b, err)
	}
	for end := time.Now().Add(c.seconds(10)); time.Now().Before(end); {
		c.keeps(all, 0, 1)
	}
	for key := range all {
		c.do(1, "DELETE", key, nil)
	}
	c.eventually(func() bool { return n.store.Stats().Values == 0 && n.store.Stats().Keys == 0 }, "it frees what no key refers to")
	if n.hasEnded() {
		t.Error("it did not wait")
	}
}

// One that is told to stop while it is attached goes on copying: it may be all that is left.
func TestEndingMemberGoesOnCopying(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	c.fill()
	n := newcomer(t, "snow-r2", patient)
	c.nodes[0].gate.hold(wire.OpEntries, wire.OpSomeEntries)
	c.write(func(d *draft) { d.admit(n) })
	c.write(func(d *draft) { d.phase(n, layout.Attached) })
	c.tell(n, c.nodes[0])
	c.nodes[0].gate.holds(c)
	n.term()
	c.unready(n, "ending: attached, ")
	c.nodes[0].gate.open()
	c.says(n, "is complete", complete)
}

// A node accepts clients for a while after it was told to stop, though it has no duties.
func TestLinger(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	n := newcomer(t, "snow-r2", func(cfg *Config) { cfg.Linger = 700 * time.Millisecond })
	c.write(func(d *draft) { d.admit(n) })
	c.tell(n)
	told := time.Now()
	n.term()
	c.unready(n, "ending: it has no duties any more")
	for time.Since(told) < n.cfg.Linger/2 {
		if r, err := c.request(n.url, "PUT", "k", []byte("v")); err != nil || r.status/100 != 2 {
			t.Fatalf("%d %v", r.status, err)
		}
	}
	c.ended(n)
	if took := time.Since(told); took < n.cfg.Linger {
		t.Errorf("it ended after %v", took)
	}
}

// Whoever is removed as one that was suspected has nothing to say any more.
func TestRemovedNodeDoesNotLinger(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	n := newcomer(t, "snow-r2", func(cfg *Config) { cfg.Linger = 2 * patience })
	c.serves(n)
	n.term()
	c.unready(n, "ending: ")
	c.passesOn(n)
	c.write(func(d *draft) { d.remove(n, false) })
	c.dismiss(n.peerAddr)
	c.ended(n)
}
