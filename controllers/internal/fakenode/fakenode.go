// Package fakenode is a node as its author sees it, for tests: a real peer port, with
// the handshake, that adopts layouts by a node's rules and holds nothing.
package fakenode

import (
	"encoding/json"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

// Node is one process.
type Node struct {
	Name        string
	Incarnation layout.ID
	Address     string

	mu     sync.Mutex
	layout *layout.Layout
	change func(*peer.Status)
	epochs []uint64 // of the layouts it was given, in order
	stop   func()
}

// Start runs a node on an address, such as 127.0.0.1:0, until the test ends or Stop.
func Start(t testing.TB, name, address, secret string) *Node {
	t.Helper()
	s, err := uid.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Name: name, Incarnation: layout.NewID(), Address: l.Addr().String()}
	server := &peer.Server{Key: s.PeerKey(), Self: n.self, Log: slog.New(slog.DiscardHandler), Calls: n.call}
	n.stop = sync.OnceFunc(server.Serving(l))
	t.Cleanup(n.Stop)
	return n
}

// Stop ends the process; its connections break.
func (n *Node) Stop() { n.stop() }

// Say has the node's status changed before it is told: figures, a reason not to be ready.
func (n *Node) Say(change func(*peer.Status)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.change = change
}

// Layout is the one that the node has, nil if none.
func (n *Node) Layout() *layout.Layout {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.layout
}

// Given are the epochs of all layouts that it was given.
func (n *Node) Given() []uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]uint64(nil), n.epochs...)
}

func (n *Node) self() peer.Hello {
	h := peer.Hello{Incarnation: n.Incarnation, Name: n.Name}
	if l := n.Layout(); l != nil {
		h.Cluster = l.Cluster
	}
	return h
}

func (n *Node) call(r *peer.Request) {
	switch r.Op {
	case peer.OpPing:
		r.Reply(peer.CodeOK, nil, nil)
	case peer.OpStatus:
		b, _ := json.Marshal(n.status()) // it has nothing that cannot be
		r.Reply(peer.CodeOK, b, nil)
	case peer.OpLayout:
		r.Reply(n.adopt(r.Payload))
	default:
		r.Reply(peer.CodeBad, nil, nil)
	}
}

func (n *Node) adopt(b []byte) (code peer.Code, payload, _ []byte) {
	l, err := layout.Decode(b)
	if err != nil {
		return peer.CodeBad, []byte(err.Error()), nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.epochs = append(n.epochs, l.Epoch)
	if n.layout != nil && n.layout.Epoch == l.Epoch && n.layout.Hash() != l.Hash() {
		return peer.CodeRefused, []byte("another layout of this epoch"), nil
	}
	if n.layout == nil || n.layout.Epoch < l.Epoch {
		n.layout = l
	}
	return peer.CodeOK, n.layout.Encode(), nil
}

func (n *Node) status() *peer.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &peer.Status{Name: n.Name, Incarnation: n.Incarnation, Reason: "no layout yet"}
	if n.layout != nil {
		s.Cluster, s.Epoch = n.layout.Cluster, n.layout.Epoch
		s.Reason = "not in the layout"
		for i := range n.layout.Members {
			if m := &n.layout.Members[i]; m.Incarnation == n.Incarnation {
				s.Phase = m.Phase.String()
				s.Ready = m.Phase == layout.Serving
				s.Reason = ""
				if !s.Ready {
					s.Reason = s.Phase
				}
			}
		}
	}
	if n.change != nil {
		n.change(s)
	}
	return s
}
