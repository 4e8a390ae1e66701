package roster

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/internal/fakenode"
)

// told waits until a node was told these settings, and nothing else.
func told(t *testing.T, n *fakenode.Node, want ...peer.Settings) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !slices.Equal(n.Settings(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s was told %+v, not %+v", n.Name, n.Settings(), want)
		}
	}
}

// Nodes are told the newest settings once each: those that are there, one that comes later
// before it has any layout, and the next process of one.
func TestSettingsReachAllNodes(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets[:2])
	for _, n := range nodes[:2] {
		r.sight(t, n.Name, "there", answers)
		told(t, n)
	}
	slow, fast := peer.Settings{TransferBytesPerSecond: 1 << 20}, peer.Settings{}
	r.Settings(slow)
	r.Settings(slow)
	for _, n := range nodes[:2] {
		told(t, n, slow)
	}
	r.Settings(fast)
	for _, n := range nodes[:2] {
		told(t, n, slow, fast)
	}
	r.Watch(targets)
	told(t, nodes[2], fast)
	nodes[0].Stop()
	again := fakenode.Start(t, nodes[0].Name, nodes[0].Address, secret)
	told(t, again, fast)
}

// listener is a node that notes what it is told; it does not take settings if it refuses them.
type listener struct {
	mu      sync.Mutex
	heard   []peer.Op
	refuses bool
}

func (n *listener) call(r *peer.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r.Op != peer.OpPing {
		n.heard = append(n.heard, r.Op)
	}
	switch {
	case r.Op == peer.OpStatus:
		r.Reply(peer.CodeOK, []byte("{}"), nil)
	case r.Op == peer.OpSettings && n.refuses:
		r.Reply(peer.CodeBad, []byte("unknown operation"), nil)
	default:
		r.Reply(peer.CodeOK, r.Payload, nil)
	}
}

// Settings come before the first layout: copying begins with one. A node of a version that
// does not know them gets its layout all the same, and is not asked to take them again.
func TestSettingsBeforeLayouts(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		nodes, targets := start(t)
		s, err := uid.NewSecret([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n := &listener{refuses: refuses}
		self := peer.Hello{Incarnation: layout.ID{7}, Name: nodes[0].Name}
		server := &peer.Server{Key: s.PeerKey(), Self: func() peer.Hello { return self }, Log: slog.New(slog.DiscardHandler), Calls: n.call}
		t.Cleanup(server.Serving(l))
		r := newRoster(t)
		r.Settings(peer.Settings{TransferBytesPerSecond: 7})
		r.Publish(first(t, nodes))
		port := l.Addr().(*net.TCPAddr).Port
		r.Watch([]Target{{Name: targets[0].Name, Pod: "0", IP: "127.0.0.1", Port: int32(port)}})
		r.sight(t, nodes[0].Name, "there", answers)
		n.mu.Lock()
		if want := []peer.Op{peer.OpSettings, peer.OpStatus, peer.OpLayout, peer.OpStatus}; !slices.Equal(n.heard[:4], want) {
			t.Errorf("refuses: %v, it heard %v, not %v", refuses, n.heard, want)
		}
		n.mu.Unlock()
		// It says that it has no layout, and is given it again and again.
		r.sight(t, nodes[0].Name, "asked on", func(Sight) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return len(n.heard) >= 8
		})
		n.mu.Lock()
		if slices.Contains(n.heard[1:], peer.OpSettings) {
			t.Errorf("refuses: %v, it was told twice: %v", refuses, n.heard)
		}
		n.mu.Unlock()
	}
}

// Whoever is connected hears that the cluster is dissolved before Dissolve returns; whoever
// comes later hears of it too, and nothing takes it back.
func TestDissolve(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Settings(peer.Settings{TransferBytesPerSecond: 7})
	r.Watch(targets[:2])
	over := peer.Settings{TransferBytesPerSecond: 7, Dissolve: true}
	for _, n := range nodes[:2] {
		told(t, n, peer.Settings{TransferBytesPerSecond: 7})
	}
	if err := r.Dissolve(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes[:2] {
		if all := n.Settings(); all[1] != over {
			t.Errorf("%s was told %+v", n.Name, all)
		}
	}
	r.Settings(peer.Settings{})
	r.Watch(targets)
	told(t, nodes[2], peer.Settings{Dissolve: true})
}

// A node that does not answer holds nobody up for longer than the caller waits.
func TestDissolveGivesUp(t *testing.T) {
	nodes, targets := start(t)
	r := newRoster(t)
	r.Watch(targets[:2])
	for _, n := range nodes[:2] {
		r.sight(t, n.Name, "there", answers)
	}
	nodes[1].Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.Dissolve(ctx); err == nil || !strings.Contains(err.Error(), nodes[1].Name) || strings.Contains(err.Error(), nodes[0].Name) {
		t.Errorf("%v", err)
	}
	if all := nodes[0].Settings(); len(all) == 0 || !all[0].Dissolve {
		t.Errorf("the one that answers was told %+v", all)
	}
}
