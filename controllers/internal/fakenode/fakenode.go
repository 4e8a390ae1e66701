// Package fakenode is a node as its author sees it, for tests: a real peer port, with
// the handshake, that adopts layouts by a node's rules and follows the protocol outwardly.
// It holds nothing: copying takes it a few questions.
package fakenode

import (
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

// Node is one process.
type Node struct {
	Name    string
	Address string

	mu      sync.Mutex
	id      layout.ID
	layout  *layout.Layout
	table   *layout.Table      // of layout
	hash    string             // of layout
	phase   layout.Phase       // in layout; 0: no member of it
	retired bool               // it was leaving when it was taken out
	ending  bool               // it was told to stop
	told    []peer.Settings    // all that it was told, in order
	asked   map[askedFor]int   // how often it was asked since
	change  func(*peer.Status) // see Say
	given   []*layout.Layout   // all that it was given, in order
	held    bool               // it does not get on with copying
	deaf    bool               // it does not answer the author
	waiting []*peer.Request    // what it will answer when it is no longer deaf
	silent  time.Time          // since when its peers do not hear it; zero: they do
	stop    func()
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
	n := &Node{Name: name, Address: l.Addr().String(), id: layout.NewID()}
	everybody.enter(n.id, n)
	server := &peer.Server{Key: s.PeerKey(), Self: n.self, Log: slog.New(slog.DiscardHandler), Calls: n.call}
	end := server.Serving(l)
	n.stop = sync.OnceFunc(func() {
		n.set(func() { n.silent = time.Now() })
		end()
	})
	t.Cleanup(n.Stop)
	return n
}

// Stop ends the process; its connections break.
func (n *Node) Stop() { n.stop() }

func (n *Node) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

// Say has the node's status changed before it is told: figures, a reason not to be ready.
func (n *Node) Say(change func(*peer.Status)) { n.set(func() { n.change = change }) }

// Hold keeps the node from getting on with copying, or lets it.
func (n *Node) Hold(held bool) { n.set(func() { n.held = held }) }

// Freeze stops the process: nobody hears of it, and its connections stay.
func (n *Node) Freeze() { n.set(func() { n.deaf, n.silent = true, time.Now() }) }

// Hide cuts the node off from the author only.
func (n *Node) Hide() { n.set(func() { n.deaf = true }) }

// Thaw ends Freeze and Hide. What was asked meanwhile is answered.
func (n *Node) Thaw() {
	n.mu.Lock()
	late := n.waiting
	n.deaf, n.waiting, n.silent = false, nil, time.Time{}
	n.mu.Unlock()
	for _, r := range late {
		n.answer(r)
	}
}

// End tells the process to stop: it says that it is ending, and goes on until Stop.
func (n *Node) End() { n.set(func() { n.ending = true }) }

// Settings are all that the node was told, in order.
func (n *Node) Settings() []peer.Settings {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]peer.Settings(nil), n.told...)
}

// Incarnation is the one that the process is now.
func (n *Node) Incarnation() layout.ID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

// Layout is the one that the node has, nil if none.
func (n *Node) Layout() *layout.Layout {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.layout
}

// Given are the epochs of all layouts that it was given.
func (n *Node) Given() []uint64 {
	var epochs []uint64
	for _, l := range n.Layouts() {
		epochs = append(epochs, l.Epoch)
	}
	return epochs
}

// Layouts are all that it was given.
func (n *Node) Layouts() []*layout.Layout {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*layout.Layout(nil), n.given...)
}

func (n *Node) self() peer.Hello {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := peer.Hello{Incarnation: n.id, Name: n.Name}
	if n.layout != nil {
		h.Cluster = n.layout.Cluster
	}
	return h
}

func (n *Node) call(r *peer.Request) {
	n.mu.Lock()
	deaf := n.deaf
	if deaf {
		n.waiting = append(n.waiting, r.Detach())
	}
	n.mu.Unlock()
	if !deaf {
		n.answer(r)
	}
}

func (n *Node) answer(r *peer.Request) {
	switch r.Op {
	case peer.OpPing:
		r.Reply(peer.CodeOK, nil, nil)
	case peer.OpStatus:
		b, _ := json.Marshal(n.status()) // it has nothing that cannot be
		r.Reply(peer.CodeOK, b, nil)
	case peer.OpLayout:
		r.Reply(n.adopt(r.Payload))
	case peer.OpSettings:
		code, why := n.configure(r)
		r.Reply(code, why, nil)
	default:
		r.Reply(peer.CodeBad, nil, nil)
	}
}

// configure notes settings, which it does not follow.
func (n *Node) configure(r *peer.Request) (code peer.Code, why []byte) {
	s, err := peer.ParseSettings(r)
	if err != nil {
		return peer.CodeRefused, []byte(err.Error())
	}
	n.set(func() { n.told = append(n.told, s) })
	return peer.CodeOK, nil
}

// adopt takes newer layouts. One that finds itself no member any more goes on as another
// incarnation, as a node does whose memory does not count any more; if it was leaving, it goes
// on as it is and is retired.
func (n *Node) adopt(b []byte) (code peer.Code, payload, _ []byte) {
	l, err := layout.Decode(b)
	if err != nil {
		return peer.CodeBad, []byte(err.Error()), nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.given = append(n.given, l)
	if n.layout != nil && n.layout.Epoch == l.Epoch && n.layout.Hash() != l.Hash() {
		return peer.CodeRefused, []byte("another layout of this epoch"), nil
	}
	if n.layout == nil || n.layout.Epoch < l.Epoch {
		hash := l.Hash()
		n.layout, n.table, n.hash = l, layout.NewTable(l), hex.EncodeToString(hash[:])
		before, me := n.phase, n.table.Member(n.id)
		n.phase = 0
		switch {
		case me != nil:
			n.phase = me.Phase
		case before == layout.Leaving:
			n.retired = true
		case before != 0:
			n.id = layout.NewID()
			everybody.enter(n.id, n)
			n.asked = nil
		}
	}
	return peer.CodeOK, n.layout.Encode(), nil
}
