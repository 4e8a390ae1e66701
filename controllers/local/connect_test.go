package local

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

func peerKey(t *testing.T, secret string) []byte {
	t.Helper()
	s, err := uid.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s.PeerKey()
}

// Whoever else answers at a child's address is not taken for it, and the error says
// what to do.
func TestStrangers(t *testing.T) {
	n := &fake{name: layout.Name{Base: "x", Range: layout.Range{Hi: 255}}, incarnation: layout.NewID()}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &peer.Server{Key: peerKey(t, testSecret), Self: n.self, Log: slog.New(slog.DiscardHandler), Calls: n.call}
	t.Cleanup(server.Serving(l))
	n.layout = &layout.Layout{Cluster: layout.ID{1}, Epoch: 1}

	for _, c := range []struct {
		what, secret, name string
		cluster            layout.ID
		want               string
	}{
		{"itself", testSecret, "x-0-255", layout.ID{1}, ""},
		{"another secret", "other", "x-0-255", layout.ID{1}, peer.ErrSecret.Error()},
		{"another cluster", testSecret, "x-0-255", layout.ID{2}, peer.ErrCluster.Error()},
		{"another name", testSecret, "y-0-255", layout.ID{1}, "x-0-255"},
	} {
		d := &peer.Dialer{Key: peerKey(t, c.secret), Self: func() peer.Hello { return peer.Hello{Cluster: c.cluster, Name: "author"} }}
		p := &process{done: make(chan struct{})}
		conn, status, err := connect(t.Context(), d, p, c.name, l.Addr().String())
		if c.want == "" {
			if err != nil || status.Epoch != 1 {
				t.Fatalf("%s: %v, %+v", c.what, err, status)
			}
			conn.Close()
			continue
		}
		if conn != nil || !errors.Is(err, errStranger) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--port") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// Nobody is dialled for ever: not after the process has ended, not after a stop.
func TestConnectGivesUp(t *testing.T) {
	d := &peer.Dialer{Key: peerKey(t, testSecret), Self: func() peer.Hello { return peer.Hello{} }}
	nobody := address(freePort(t, 1))
	ended := &process{done: make(chan struct{})}
	close(ended.done)
	if conn, _, err := connect(t.Context(), d, ended, "x-0-255", nobody); conn != nil || err != nil {
		t.Errorf("the process ended: %v %v", conn, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, _, err := connect(ctx, d, &process{done: make(chan struct{})}, "x-0-255", nobody); conn != nil || err != nil {
		t.Errorf("stopped: %v %v", conn, err)
	}
}
