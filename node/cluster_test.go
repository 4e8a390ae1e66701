package node

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

func TestMain(m *testing.M) {
	// A cluster's steps take milliseconds, not microseconds. The command line still has
	// the last word.
	_ = flag.Set("rapid.checks", "8")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { http.DefaultClient.CloseIdleConnections() }))
}

// cluster is a whole cluster in this process, over real sockets.
type cluster struct {
	t      testing.TB
	nodes  []*running
	layout *layout.Layout
	client *http.Client
	secret *uid.Secret
}

type running struct {
	*Node
	url, admin string
	peerAddr   string
	via        string // where others reach it
	gate       *gate
	term       func() // tells it to stop, as SIGTERM does
	done       chan struct{}
	stop       func() error // the same, and waits for its end
}

const testSecret = "snowflake"

func startNode(t testing.TB, name layout.Name, mem memory, change func(*Config)) *running {
	t.Helper()
	cfg := Config{
		Name: name, Listen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Secret: []byte(testSecret),
		second: 100 * time.Millisecond, MaxValue: 64 << 20, BodyTimeout: 5 * time.Second, DrainTimeout: 5 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg, mem, slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Node: n, gate: &gate{calls: n.peer.Calls}, done: make(chan struct{})}
	n.peer.Calls = r.gate.call
	up := make(chan listeners, 1)
	n.listening = func(l listeners) { up <- l }
	ctx, cancel := context.WithCancel(context.Background())
	r.term = cancel
	var ended error
	go func() {
		defer close(r.done)
		ended = n.Run(ctx)
	}()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		<-r.done
		return ended
	}
	t.Cleanup(func() {
		n.dissolve() // nobody is left to let it go
		r.stop()     //nolint:errcheck // tests that care stop it themselves
	})
	select {
	case l := <-up:
		r.url, r.admin = "http://"+l.rest.Addr().String(), "http://"+l.admin.Addr().String()
		r.peerAddr = l.peer.Addr().String()
		r.via = r.peerAddr
	case <-r.done:
		t.Fatal(ended)
	}
	return r
}

// quick is for tests that wait for values to be freed again and again.
func quick(cfg *Config) { cfg.second = 50 * time.Millisecond }

// slow is for tests that know for which reason a request is refused: leases do not run out
// because the machine is busy.
func slow(cfg *Config) { cfg.second = 300 * time.Millisecond }

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "level=ERROR") {
		w.t.Logf("%s", bytes.TrimSpace(b))
	}
	return len(b), nil
}

var plenty = memory{store: 1 << 30, transit: 256 << 20, heap: 1 << 30, conns: 1000}

func startCluster(t testing.TB, shards, copies int, mem memory, change func(*Config)) *cluster {
	t.Helper()
	return startClusterVia(t, shards, copies, mem, change, func(n *running) string { return n.peerAddr })
}

// startClusterVia has the nodes reach each other at other addresses than their own.
func startClusterVia(t testing.TB, shards, copies int, mem memory, change func(*Config), via func(*running) string) *cluster {
	t.Helper()
	names, err := layout.Names("snow", shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := uid.NewSecret([]byte(testSecret))
	c := &cluster{t: t, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}, secret: secret}
	t.Cleanup(c.client.CloseIdleConnections)
	c.layout = &layout.Layout{Cluster: layout.NewID(), Epoch: 1}
	for _, name := range names {
		n := startNode(t, name, mem, change)
		n.via = via(n)
		c.nodes = append(c.nodes, n)
		c.layout.Members = append(c.layout.Members, layout.Member{
			Name: name, Address: n.via, Incarnation: n.state.Incarnation(), JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	// Before the nodes stop: they wait for connections on which nothing was asked yet.
	t.Cleanup(c.client.CloseIdleConnections)
	c.layout.Segments = layout.SegmentsOf(c.layout.Members, 1)
	if err := c.layout.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		c.push(n, c.layout)
	}
	c.eventually(func() bool {
		for _, n := range c.nodes {
			if n.Ready() != nil {
				return false
			}
		}
		return true
	}, "all nodes are ready")
	return c
}

func (c *cluster) dialer() *peer.Dialer {
	return &peer.Dialer{Key: c.secret.PeerKey(), TLS: c.nodes[0].cfg.PeerTLSClient, Self: func() peer.Hello { return peer.Hello{Cluster: c.layout.Cluster, Name: "author"} }}
}

func (c *cluster) push(n *running, l *layout.Layout) {
	c.t.Helper()
	c.pushTo(n.peerAddr, l)
}

func (c *cluster) pushTo(address string, l *layout.Layout) {
	c.t.Helper()
	conn, err := c.dialer().Dial(context.Background(), address, layout.ID{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	if e, err := peer.PushLayout(context.Background(), conn, l); err != nil || e != l.Epoch {
		c.t.Fatal(e, err)
	}
}

func (c *cluster) eventually(f func() bool, what string) {
	c.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("not in time: %s", what)
		}
	}
}

type response struct {
	status int
	header http.Header
	body   []byte
	closes bool // it asks for the connection to be closed
}

func (c *cluster) do(node int, method, key string, body []byte, headers ...string) response {
	c.t.Helper()
	return c.doAt(c.nodes[node].url, method, key, body, headers...)
}

func (c *cluster) doAt(url, method, key string, body []byte, headers ...string) response {
	c.t.Helper()
	// 503 means not executed, try again: on a machine that is busy a peer may be slow.
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		r, err := c.request(url, method, key, body, headers...)
		if err != nil {
			c.t.Fatal(err)
		}
		if r.status != http.StatusServiceUnavailable {
			return r
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s %s: 503 again and again, at last: %s", method, key, r.body)
		}
	}
}

// patience is for how long tests wait for what must come.
const patience = 30 * time.Second

func (c *cluster) try(node int, method, key string, body []byte, headers ...string) (response, error) {
	return c.request(c.nodes[node].url, method, key, body, headers...)
}

func (c *cluster) request(url, method, key string, body []byte, headers ...string) (response, error) {
	req, err := http.NewRequest(method, url+"/"+key, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return response{resp.StatusCode, resp.Header, b, resp.Close}, err
}
