package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// request is one request of a client, while it is under way at a node.
type request struct {
	sim   *Simulation
	at    *process
	key   string
	slot  uint8
	in    input
	call  uint64
	began time.Duration
	sent  bool // it may have been executed
	ended bool
	then  func(out output, err error)
}

// client does one request after the other.
type client struct {
	sim  *Simulation
	last map[string]uid.UID // by key, what it saw last
}

func (s *Simulation) startClients(n int) {
	for range n {
		c := &client{sim: s, last: make(map[string]uid.UID)}
		c.later()
	}
}

func (c *client) later() {
	s := c.sim
	s.at(s.now+s.some(2*s.profile.think), nil, func() {
		if s.idle {
			return
		}
		c.act()
	})
}

func (c *client) act() {
	s := c.sim
	h := pick(s.rng, s.hosts)
	if h.proc == nil || !s.isAsked(h.proc) {
		c.later()
		return
	}
	k := pick(s.rng, s.keys)
	in := c.choose(k.name)
	s.request(h.proc, k, in, func(out output, err error) {
		if err == nil {
			c.last[k.name] = out.uid
			if in.kind == putKind {
				c.last[k.name] = in.uid
			}
		}
		if errors.Is(err, kv.ErrUnavailable) {
			s.at(s.now+s.some(300*time.Millisecond), nil, c.later)
			return
		}
		c.later()
	})
}

// isAsked tells whether a client asks a node: of those that are no members it hears soon. If
// all goes well it asks none that is not ready yet.
func (s *Simulation) isAsked(p *process) bool {
	switch p.phase() {
	case 0:
		return s.kind == Calm && p.retired || s.kind != Calm && s.rng.IntN(10) == 0
	case layout.Joining, layout.Attached:
		return s.kind != Calm
	default:
		return true
	}
}

// choose makes up a request.
func (c *client) choose(key string) input {
	s := c.sim
	in := input{uid: pick(s.rng, s.values)}
	switch n := s.rng.IntN(100); {
	case n < s.profile.reads:
		return input{kind: getKind}
	case n < s.profile.reads+s.profile.deletes:
		in = input{kind: deleteKind}
	default:
		in.kind = putKind
	}
	last, known := c.last[key]
	switch n := s.rng.IntN(100); {
	case n < 25 && known && last != (uid.UID{}):
		in.match = last
	case n < 35 && in.kind == putKind:
		in.create = true
	}
	return in
}

// request has a process execute a request.
func (s *Simulation) request(p *process, k key, in input, then func(output, error)) {
	r := &request{sim: s, at: p, key: k.name, slot: k.slot, in: in, call: s.history.tick(), began: s.now, then: then}
	p.requests = append(p.requests, r)
	s.trace(p, "is asked: %s %v", k.name, in)
	s.at(s.now, p, func() { s.spawn(p, "request", func(t *task) { r.run(t) }) })
}

func (r *request) run(t *task) {
	p, in := r.at, &r.in
	var e kv.Entry
	var done wire.Ordered
	var err error
	w := wire.Write{Key: r.key, UID: in.uid, Size: int64(len(valueBytes(in.uid))), Delete: in.kind == deleteKind, Cond: in.conditions()}
	switch in.kind {
	case getKind:
		e, err = p.get(t, r.slot, r.key)
	case putKind:
		done, err = p.put(t, r, r.slot, &w)
	case deleteKind:
		w.UID, w.Size = uid.UID{}, 0
		err = p.remove(t, r, r.slot, &w)
	}
	if p.dead {
		return // broken has told the client
	}
	p.forgetRequest(r)
	r.end(output{uid: e.UID, created: done.Created}, err)
}

// broken ends a request whose node died.
func (r *request) broken() {
	err := kv.Refuse(kv.Unreachable, "the node died")
	if r.sent {
		err = fmt.Errorf("%w: the node died", kv.ErrUnknown)
	}
	r.end(output{}, err)
}

// end tells the client, and the history if the request may have had an effect or told one.
func (r *request) end(out output, err error) {
	if r.ended {
		return
	}
	r.ended = true
	s := r.sim
	s.trace(r.at, "answers %s %v: %s, %v", r.key, r.in, shownValue(out.uid), err)
	switch {
	case err == nil:
		out.kind = okKind
	case errors.Is(err, kv.ErrNotFound):
		out.kind = notFoundKind
	case errors.Is(err, kv.ErrPrecondition):
		out.kind = preconditionKind
	case errors.Is(err, kv.ErrUnknown):
		out.kind = unknownKind
	case errors.Is(err, kv.ErrUnavailable):
		s.count("refused: " + string(kv.ReasonOf(err)))
		s.answered(r, false)
		r.then(out, err)
		return
	default:
		s.violated("a request of %s ended with %v", r.key, err)
	}
	s.count(outputNames[out.kind])
	s.answered(r, out.kind != unknownKind)
	if out.kind != unknownKind || r.in.kind != getKind {
		s.history.add(r.key, r.in, out, r.call)
	}
	r.then(out, err)
}

func (in *input) conditions() (c kv.Conditions) {
	if in.match != (uid.UID{}) {
		c.Match = kv.Tags{Given: true, UIDs: []uid.UID{in.match}}
	}
	if in.create {
		c.NoMatch = kv.Tags{Given: true, Any: true}
	}
	return c
}

// some is a time up to a limit; most are short.
func (s *Simulation) some(limit time.Duration) time.Duration {
	f := s.rng.Float64()
	return time.Duration(f * f * float64(limit))
}

func (p *process) forgetRequest(r *request) {
	p.requests = slices.DeleteFunc(p.requests, func(o *request) bool { return o == r })
}
