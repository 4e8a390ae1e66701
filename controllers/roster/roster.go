// Package roster keeps the operator's connections to the nodes of a cluster. It knows
// what each node said last, hands the newest layout to those that do not have it, and
// wakes whoever waits when something changes. All of it can be found out again, so it
// is lost with the operator without harm.
package roster

import (
	"context"
	"net"
	"strconv"
	"sync"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// Target is a pod whose process should be a node.
type Target struct {
	Name layout.Name
	Pod  string // its UID: another pod of the same name is another target
	IP   string
	Port int32
}

// Address is host:port of the target's peer port.
func (t *Target) Address() string { return net.JoinHostPort(t.IP, strconv.Itoa(int(t.Port))) }

// Sight is what is known of a target.
type Sight struct {
	Target
	Status *peer.Status // what its process said last; nil: it does not answer. Not to be changed
	Err    error        // why it does not answer; nil also while nobody has tried yet
}

// Roster is that of one cluster.
type Roster struct {
	dialer *peer.Dialer
	wake   func()

	mu      sync.Mutex
	links   map[string]*link // by the pod's UID
	durable *layout.Layout   // the newest that nodes may hear of; nil: none
	stopped bool
	running sync.WaitGroup
}

// New returns the roster of a cluster. The key is the one that its secret gives
// (uid.Secret.PeerKey). wake is called, from any goroutine, when Look would tell
// something else than before; it must not block.
func New(cluster layout.ID, key []byte, wake func()) *Roster {
	self := peer.Hello{Cluster: cluster, Name: "operator"}
	return &Roster{
		dialer: &peer.Dialer{Key: key, Self: func() peer.Hello { return self }},
		wake:   wake, links: make(map[string]*link),
	}
}

// Watch sets the pods to be connected to. Connections to others are closed.
func (r *Roster) Watch(targets []Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	wanted := make(map[string]Target, len(targets))
	for _, t := range targets {
		wanted[t.Pod] = t
	}
	for pod, l := range r.links {
		if wanted[pod] != l.target {
			l.cancel()
			delete(r.links, pod)
		}
	}
	for pod, t := range wanted {
		if r.links[pod] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		l := &link{roster: r, target: t, cancel: cancel, news: make(chan struct{}, 1)}
		r.links[pod] = l
		r.running.Go(func() { l.run(ctx) })
	}
}

// Look tells what is known of the pods, in no order.
func (r *Roster) Look() []Sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	sights := make([]Sight, 0, len(r.links))
	for _, l := range r.links {
		sights = append(sights, Sight{Target: l.target, Status: l.status, Err: l.err})
	}
	return sights
}

// Publish hands a layout to all nodes that do not have it, now and later. It must be
// durable before (I6). An older one than was published before is ignored.
func (r *Roster) Publish(l *layout.Layout) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l == nil || r.durable != nil && r.durable.Epoch >= l.Epoch {
		return
	}
	r.durable = l
	for _, link := range r.links {
		link.nudge()
	}
}

// Stop closes all connections and returns when nothing runs any more.
func (r *Roster) Stop() {
	r.mu.Lock()
	r.stopped = true
	for _, l := range r.links {
		l.cancel()
	}
	clear(r.links)
	r.mu.Unlock()
	r.running.Wait()
}
