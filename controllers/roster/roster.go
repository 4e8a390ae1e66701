// Package roster keeps the operator's connections to the nodes of a cluster. It knows
// what each node said last, hands the newest layout to those that do not have it, tells
// all of them their settings, and wakes whoever waits when something changes. All of it can be found out again, so it
// is lost with the operator without harm.
package roster

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

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
	Status *peer.Status  // what its process said last; nil: it does not answer. Not to be changed
	Age    time.Duration // of Status
	Err    error         // why it does not answer; nil also while nobody has tried yet
	// Answering is for how long it has answered without a gap of placement.SuspectAfter.
	Answering time.Duration
}

// Roster is that of one cluster.
type Roster struct {
	dialer *peer.Dialer
	wake   func()

	mu         sync.Mutex
	links      map[string]*link      // by the pod's UID
	durable    *layout.Layout        // the newest that nodes may hear of; nil: none
	primaries  map[layout.ID][]uint8 // of durable
	settings   *peer.Settings        // the newest; nil: none
	silence    *silence
	hurryUntil time.Time
	stopped    bool
	end        context.CancelFunc
	running    sync.WaitGroup
}

// New returns the roster of a cluster. The key is the one that its secret gives
// (uid.Secret.PeerKey). wake is called, from any goroutine, when Look would tell
// something else than before; it must not block.
func New(cluster layout.ID, key []byte, wake func()) *Roster {
	self := peer.Hello{Cluster: cluster, Name: "operator"}
	ctx, end := context.WithCancel(context.Background())
	r := &Roster{
		dialer: &peer.Dialer{Key: key, Self: func() peer.Hello { return self }},
		wake:   wake, links: make(map[string]*link), silence: newSilence(), end: end,
	}
	r.running.Go(func() { r.listen(ctx) })
	return r
}

// listen looks who answers, until ctx ends.
func (r *Roster) listen(ctx context.Context) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			r.tick(time.Now())
		}
	}
}

// tick finds out who answered since the last one. If somebody fell silent, what the
// others say of it matters at once.
func (r *Roster) tick(now time.Time) {
	r.mu.Lock()
	r.silence.tick(now)
	for _, l := range r.links {
		if l.conn == nil {
			continue
		}
		if _, age := l.conn.Clock(); age < keepStrangers {
			r.silence.answered(l.speaker(), age)
		}
	}
	turned := r.silence.judge()
	if turned {
		r.hasten(now)
	}
	r.mu.Unlock()
	if turned {
		r.wake()
	}
}

// hasten has all nodes asked at once, and often for a while.
func (r *Roster) hasten(now time.Time) {
	r.hurryUntil = now.Add(hurry)
	for _, l := range r.links {
		l.nudge()
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
		sights = append(sights, l.sight())
	}
	return sights
}

// Silent tells which members of the published layout have not answered for more than a
// moment, and for how long. One whose pod is not watched any more is silent since it was
// last heard of, one that was never heard of since it became a member of what is published.
func (r *Roster) Silent() map[layout.ID]time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.silence.silent()
}

// Answered is when an incarnation last answered; zero if it never did, or long ago and it
// is no member.
func (r *Roster) Answered(incarnation layout.ID) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.silence.last[incarnation]
}

// errNotConnected: there is nobody to ask.
var errNotConnected = errors.New("not connected")

// Ask asks the process in a pod how it is, now: whoever answers lives.
func (r *Roster) Ask(ctx context.Context, pod string) (peer.Status, error) {
	r.mu.Lock()
	var conn *peer.Conn
	if l := r.links[pod]; l != nil {
		conn = l.conn
	}
	r.mu.Unlock()
	if conn == nil {
		return peer.Status{}, errNotConnected
	}
	return peer.FetchStatus(ctx, conn)
}

// Publish hands a layout to all nodes that do not have it, now and later. It must be
// durable before (I6). An older one than was published before is ignored.
func (r *Roster) Publish(l *layout.Layout) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l == nil || r.durable != nil && r.durable.Epoch >= l.Epoch {
		return
	}
	r.durable, r.primaries = l, primaries(l)
	r.silence.track(l)
	r.hasten(time.Now())
}

// Stop closes all connections and returns when nothing runs any more.
func (r *Roster) Stop() {
	r.mu.Lock()
	r.stopped = true
	r.end()
	for _, l := range r.links {
		l.cancel()
	}
	clear(r.links)
	r.mu.Unlock()
	r.running.Wait()
}
