package local

import (
	"slices"
	"syscall"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/controllers/membership"
)

// template is what nodes are started with. One that was started with another one is replaced.
type template struct{ memoryLimit, maxValue int64 }

func (a *author) template() template {
	return template{a.cfg.MemoryLimit, a.cfg.MaxValue}
}

func (a *author) settings() peer.Settings {
	return peer.Settings{TransferBytesPerSecond: a.cfg.TransferLimit}
}

// place is a new node's.
func (a *author) place(name layout.Name, index int) *node {
	return &node{
		index: index, name: name, address: address(a.cfg.Port + portStep*index + peerOffset),
		template: a.template(), due: time.Now(), backoff: minBackoff,
	}
}

// change takes in what is wanted from now on.
func (a *author) change(c Change) {
	if c.MemoryLimit == 0 {
		c.MemoryLimit = a.cfg.MemoryLimit // the share of one at the start
	}
	if c.TransferLimit != a.cfg.TransferLimit {
		defer func() {
			for _, n := range a.nodes {
				a.configure(n, a.settings())
			}
		}()
	}
	a.cfg.Limits, a.shape = c.Limits, membership.Shape(c.Names)
	a.urgent = true
}

// members decides which nodes there are. The first ones stay until all of them serve.
func (a *author) members() {
	if a.current == nil || !a.ready {
		return
	}
	wish := membership.Wish{Cluster: a.cfg.Base, Shape: a.shape, Surge: a.cfg.MaxSurge}
	plan := membership.Next(wish, a.known(), a.serial)
	a.serial, a.stay = plan.Serial, plan.Stay
	for _, name := range plan.Added {
		a.add(name)
	}
	for _, n := range a.nodes {
		if !n.dropped && slices.Contains(plan.Dropped, n.name) {
			a.drop(n)
		}
	}
}

// known are the nodes there are and what is known of them.
func (a *author) known() []membership.Node {
	var out []membership.Node
	for _, n := range a.nodes {
		if n.dropped {
			continue
		}
		is := membership.Node{Name: n.name}
		duties := false
		for i := range a.current.Members {
			m := &a.current.Members[i]
			if m.Name == n.name {
				is.Phase = max(is.Phase, m.Phase)
				duties = duties || m.Incarnation == n.last && m.Phase.Acknowledges()
			}
		}
		is.Ends = n.status.Ending && duties || n.status.Retired
		is.Old = n.template != a.template() && n.proc != nil && duties
		out = append(out, is)
	}
	return out
}

// add makes place for a node. Without a port for it, it is tried again with the next look.
func (a *author) add(name layout.Name) {
	a.upset()
	a.nodes = append(a.nodes, a.place(name, a.free()))
}

// free is the first place whose ports nobody has.
func (a *author) free() int {
	for i := 0; ; i++ {
		taken := slices.ContainsFunc(a.nodes, func(n *node) bool { return n.index == i })
		port := a.cfg.Port + portStep*i
		if port+adminOffset > lastPort {
			return i // the node says what is wrong with it
		}
		if !taken && tryPort(port) == nil && tryPort(port+peerOffset) == nil && tryPort(port+adminOffset) == nil {
			return i
		}
	}
}

// welcome says where a node is that came in later.
func (a *author) welcome(n *node) {
	if a.ready {
		a.out.note("%s (pid %d) starts, at %s.", n.name, n.proc.pid(), a.out.url(n))
	}
}

// drop ends a node that is not needed any more. It has no duties. One that was told to stop ends by
// itself: another signal would cut off the requests that are in flight there.
func (a *author) drop(n *node) {
	n.dropped = true
	if n.proc == nil {
		a.nodes = slices.DeleteFunc(slices.Clone(a.nodes), func(o *node) bool { return o == n })
		return
	}
	a.out.note("%s (pid %d) is not needed any more, and ends.", n.name, n.proc.pid())
	if !n.status.Ending {
		n.proc.signal(syscall.SIGTERM)
	}
}
