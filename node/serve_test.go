package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
)

// served is a node as the command runs it: when it was removed it begins anew, at the same
// ports.
type served struct {
	name                   layout.Name
	url, peerAddr, readyAt string
	done                   chan error
	stop                   context.CancelFunc
}

func serveNode(t *testing.T, name layout.Name, leaveTimeout time.Duration) *served {
	ports := freePorts(t)
	s := &served{name: name, url: "http://" + ports[0], peerAddr: ports[1], readyAt: "http://" + ports[2] + "/readyz", done: make(chan error, 1)}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	t.Cleanup(stop)
	cfg := Config{
		Name: name, Listen: ports[0], PeerListen: ports[1], AdminListen: ports[2], Secret: []byte(testSecret),
		second: 100 * time.Millisecond, MaxValue: 64 << 20, BodyTimeout: 5 * time.Second, DrainTimeout: 5 * time.Second,
		LeaveTimeout: leaveTimeout,
	}
	go func() { s.done <- Serve(ctx, cfg, plenty, slog.New(slog.DiscardHandler)) }()
	return s
}

// freePorts are addresses that were free a moment ago.
func freePorts(t *testing.T) (addresses [3]string) {
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses
}

// status asks a node how it is; ok is false while it does not answer.
func (c *cluster) status(s *served) (status peer.Status, ok bool) {
	conn, err := c.dialer().Dial(context.Background(), s.peerAddr, layout.ID{})
	if err != nil {
		return status, false
	}
	defer conn.Close()
	status, err = peer.FetchStatus(context.Background(), conn)
	return status, err == nil
}

// awaits waits until a node says something of itself.
func (c *cluster) awaits(s *served, what string, is func(*peer.Status) bool) (status peer.Status) {
	c.t.Helper()
	c.eventually(func() bool {
		var ok bool
		status, ok = c.status(s)
		return ok && is(&status)
	}, what)
	return status
}

// join makes a served node a member, from the first step to the last.
func (c *cluster) join(s *served, id layout.ID) {
	c.t.Helper()
	all := func(is func(*peer.SegmentStatus) bool) func(*peer.Status) bool {
		return func(s *peer.Status) bool {
			for i := range s.Segments {
				if !is(&s.Segments[i]) {
					return false
				}
			}
			return s.Epoch == c.layout.Epoch && len(s.Segments) > 0
		}
	}
	for _, step := range []struct {
		phase layout.Phase
		until func(*peer.Status) bool
	}{
		{layout.Joining, all(copied)}, {layout.Attached, all(complete)},
		{layout.Serving, func(s *peer.Status) bool { return s.Ready }},
	} {
		c.write(func(d *draft) {
			if step.phase == layout.Joining {
				d.Members = append(d.Members, layout.Member{Name: s.name, Address: s.peerAddr, Incarnation: id, JoinEpoch: d.Epoch, Phase: step.phase})
				return
			}
			d.phaseOf(id, step.phase)
		})
		c.pushTo(s.peerAddr, c.layout)
		c.awaits(s, step.phase.String(), step.until)
	}
}

// A node that was removed while it lives refuses everything, begins anew with nothing at the
// same ports, and can join again.
func TestRemovedNodeBeginsAnew(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	all := c.fill()
	s := serveNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 255}}, 0)
	first := c.awaits(s, "it answers", func(*peer.Status) bool { return true })
	if ready := c.readyz(s); ready != http.StatusServiceUnavailable {
		t.Errorf("ready without a layout: %d", ready)
	}
	c.join(s, first.Incarnation)
	c.refusesNothing(s, all)
	if ready := c.readyz(s); ready != http.StatusOK {
		t.Errorf("not ready: %d", ready)
	}

	c.write(func(d *draft) { d.removeID(first.Incarnation, false) })
	c.tell(c.nodes[0])
	c.dismiss(s.peerAddr)
	again := c.awaits(s, "another incarnation answers", func(now *peer.Status) bool { return now.Incarnation != first.Incarnation })
	if again.Keys != 0 || again.Values != 0 || again.Epoch != 0 || again.Ready || again.Name != first.Name {
		t.Errorf("it begins with %+v", again)
	}
	c.refuses(s.url, kv.NoLayout)
	c.keeps(all, 0)
	key := "written meanwhile"
	all[key] = []byte("v")
	c.do(0, "PUT", "written%20meanwhile", all[key])
	delete(all, key)

	c.join(s, again.Incarnation)
	c.refusesNothing(s, all)
	if r, err := c.request(s.url, "GET", "written%20meanwhile", nil); err != nil || r.status != 200 {
		t.Errorf("what was written meanwhile: %d %v", r.status, err)
	}
	s.stop()
	if err := <-s.done; err != nil {
		t.Errorf("stopping: %v", err)
	}
}

func (c *cluster) readyz(s *served) int {
	c.t.Helper()
	resp, err := c.client.Get(s.readyAt)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// refusesNothing checks that a served node answers for all that there is.
func (c *cluster) refusesNothing(s *served, all contents) {
	c.t.Helper()
	c.nodes = append(c.nodes, &running{Node: c.nodes[0].Node, url: s.url})
	c.keeps(all, len(c.nodes)-1)
	c.nodes = c.nodes[:len(c.nodes)-1]
}

// A node that was told to stop and waits to be let go does not begin anew when it is removed
// instead: it stops.
func TestRemovedNodeThatEndsStops(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	s := serveNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 255}}, 2*patience)
	first := c.awaits(s, "it answers", func(*peer.Status) bool { return true })
	c.join(s, first.Incarnation)
	s.stop()
	c.awaits(s, "it says that it is ending", func(now *peer.Status) bool { return now.Ending })
	c.write(func(d *draft) { d.removeID(first.Incarnation, false) })
	c.dismiss(s.peerAddr)
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("stopping: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}
