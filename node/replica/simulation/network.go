package simulation

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

// authorPlace is the author's place in the network; hosts have their numbers.
const authorPlace = -1

// way is from one place to another.
type way struct{ from, to int }

// message is a request on its way.
type message struct {
	from  layout.ID
	to    layout.ID
	place int // where it comes from
	epoch uint64
	// newest is the sender's layout. A receiver that has an older one asks for it; that
	// round trip is left out.
	newest *layout.Layout
	body   any
}

// reply is what comes back. Without err the request was executed.
type reply struct {
	err   error
	stale *layout.Layout // the receiver's, if the request was refused for the sender's older one
	epoch uint64         // the receiver's
	body  any
}

// errLost: nothing came back, so nobody knows whether the request was executed.
var errLost = errors.New("no answer")

// errMoved: the receiver knows a newer layout, and nothing was done.
var errMoved = kv.Refuse(kv.Moved, "the layout has changed")

// network is what becomes of messages.
type network struct {
	loss, twice, late float64               // how probable
	usual             time.Duration         // the delay, on average
	latest            time.Duration         // of those that are late
	most              time.Duration         // no delay is longer; 0: any may be
	cut               map[way]time.Duration // until when
	shut              map[way]shut          // see oneway.go
	quiet             bool                  // all goes well
}

func (s *Simulation) delay() time.Duration {
	n := &s.network
	d := time.Duration(-math.Log(1-s.rng.Float64()) * float64(n.usual))
	if !n.quiet && s.rng.Float64() < n.late {
		d += s.some(n.latest)
		s.faults.until = max(s.faults.until, s.now+d)
	}
	if n.most > 0 {
		d = min(d, n.most)
	}
	return d + time.Microsecond
}

// lost tells whether a message from one place to another gets lost.
func (s *Simulation) lost(from, to int) bool {
	n := &s.network
	return n.cut[way{from, to}] > s.now || !n.quiet && s.rng.Float64() < n.loss
}

// call sends a request and has done told what became of it, once, unless the sender dies.
func (p *process) call(to *layout.Member, body any, timeout time.Duration, done func(reply)) {
	s := p.sim
	over := false
	var c *underWay
	finish := func(r reply) {
		if over {
			return
		}
		over = true
		p.calls = slices.DeleteFunc(p.calls, func(o *underWay) bool { return o == c })
		if r.stale != nil {
			p.adopt(r.stale)
			if r.err == nil {
				r.err = errMoved
			}
		}
		done(r)
	}
	c = &underWay{to: to.Incarnation, finish: func() { finish(reply{err: leftBehind(body)}) }}
	p.calls = append(p.calls, c)
	s.at(s.now+timeout, p, func() { finish(reply{err: errLost}) })
	p.leaveBehind()
	at := s.hostOf(to)
	m := &message{from: p.id, to: to.Incarnation, place: p.host.number, epoch: p.epoch(), newest: p.layout(), body: body}
	s.deliver(m, at, func(r reply) {
		if s.lost(at.number, p.host.number) {
			return
		}
		s.at(s.now+s.delay()+s.faults.hold(r.stale, p.host)+s.faults.lag(body), p, func() { finish(r) })
	})
}

// underWay is a request that is not answered yet.
type underWay struct {
	to     layout.ID
	finish func()
}

// leaveBehind ends the requests to those who are no members any more, as node/peers does: their
// connections are closed.
func (p *process) leaveBehind() {
	for _, c := range p.calls {
		if p.table.Member(c.to) == nil {
			p.sim.at(p.sim.now, p, c.finish)
		}
	}
}

// leftBehind is what becomes of a request to one who is no member any more: nothing was done,
// but nobody knows of a write.
func leftBehind(body any) error {
	if _, ok := body.(order); ok {
		return errLost
	}
	return errMoved
}

// deliver brings a request to a host, or loses it. What orders a write comes once at most.
func (s *Simulation) deliver(m *message, to *host, answer func(reply)) {
	times := 1
	if _, once := m.body.(order); !once && !s.network.quiet && s.rng.Float64() < s.network.twice {
		times = 2
	}
	for range times {
		if _, is := s.isShut(m.place, to.number); is || s.lost(m.place, to.number) {
			continue
		}
		s.at(s.now+s.delay()+s.faults.hold(m.newest, to)+s.faults.lag(m.body), nil, func() { s.arrive(m, to, answer) })
	}
}

// arrive hands a request to the process that runs at a host now, if it is the one that is
// meant: connections name both incarnations (F11).
func (s *Simulation) arrive(m *message, to *host, answer func(reply)) {
	p := to.proc
	if p == nil {
		return
	}
	if m.to != (layout.ID{}) && p.id != m.to {
		return
	}
	s.at(s.now, p, func() { p.serve(m, answer) })
}

// callWait is call for a task.
func (t *task) call(to *layout.Member, body any, timeout time.Duration) reply {
	var got reply
	wake := t.waker()
	t.of.call(to, body, timeout, func(r reply) {
		got = r
		wake()
	})
	t.wait()
	return got
}
