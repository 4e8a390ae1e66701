package simulation

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// Kind is what a seed is about.
type Kind int

const (
	// Still: much goes wrong, and nobody wishes for anything else.
	Still Kind = iota
	// Changing: much goes wrong while one wish follows the other.
	Changing
	// Calm: one wish follows the other, and nothing goes wrong.
	Calm
)

// maxHosts is for how many there are numbers.
const maxHosts = 200

// machines is how many there are. One of them may be emptied at a time.
const machines = 4

// nowhere is no machine.
const nowhere = -1

// wish is what there should be: a cluster's spec, and which machine is to have none of it.
type wish struct {
	shards, copies int
	surge          int
	revision       int // of the template that nodes are made from
	drained        int
}

// shape is one range for each node that is asked for.
func (w *wish) shape() []layout.Range {
	var out []layout.Range
	for _, n := range w.names() {
		out = append(out, n.Range)
	}
	return out
}

// names are those of a cluster that is founded with this wish.
func (w *wish) names() []layout.Name {
	names, err := layout.Names(clusterName, w.shards, w.copies)
	if err != nil {
		panic(err)
	}
	return names
}

// wishes are the wish of the moment, and those before it.
type wishes struct {
	sim    *Simulation
	now    wish
	before wish
	past   []wish       // all there were, the newest last
	last   int          // revision that was made
	broken map[int]bool // revisions whose processes never start
	over   bool
}

func (w *wishes) begin() {
	s := w.sim
	w.now = wish{shards: s.profile.shards, copies: s.profile.copies, surge: 1, drained: nowhere}
	w.before, w.broken = w.now, make(map[int]bool)
}

// start has wishes follow each other by chance.
func (w *wishes) start() {
	s := w.sim
	if s.kind == Still {
		return
	}
	s.at(s.now+time.Millisecond+2*s.some(s.profile.wishes), nil, func() {
		if !w.over {
			w.another()
			w.start()
		}
	})
}

// another wishes for something else.
func (w *wishes) another() {
	s := w.sim
	if len(s.made) > maxHosts {
		return
	}
	next := w.now
	switch n := s.rng.IntN(20); {
	case n < 5:
		next.shards = 1 + s.rng.IntN(5)
	case n < 8:
		next.copies = 1 + s.rng.IntN(3)
	case n < 9:
		next.shards, next.copies = 1+s.rng.IntN(5), 1+s.rng.IntN(3)
	case n < 12:
		w.turnBack()
		return
	case n < 14:
		w.last++
		next.revision = w.last
		w.broken[next.revision] = n == 13
	case n < 15:
		next.surge = 1 + s.rng.IntN(3)
	case n < 17 && next.drained == nowhere:
		next.drained = s.rng.IntN(machines)
	case n < 17:
		next.drained = nowhere
	default:
		s.stopSome()
		return
	}
	w.set(next)
}

// turnBack is a change of mind: what was wished for before is wished for again.
func (w *wishes) turnBack() { w.set(w.before) }

// keep wishes for what was wished for when a host was wanted, if it ever was.
func (w *wishes) keep(h *host) {
	for i := len(w.past) - 1; i >= 0; i-- {
		next := w.past[i]
		if next.revision == h.revision && slices.Contains(next.shape(), h.name.Range) {
			next.drained = nowhere
			w.set(next)
			return
		}
	}
	w.turnBack()
}

func (w *wishes) set(next wish) {
	s := w.sim
	if next == w.now {
		return
	}
	w.told(&next)
	if s.underWay() {
		s.count("wishes in the middle of a change")
		if next == w.before {
			s.count("changes of mind")
		}
	}
	s.trace(nil, "wanted: %d shards, %d copies, template %d (broken: %v), machine %d empty, %d at a time",
		next.shards, next.copies, next.revision, w.broken[next.revision], next.drained, next.surge)
	w.past = append(w.past, w.now)
	w.before, w.now = w.now, next
}

// told counts what is wished for.
func (w *wishes) told(next *wish) {
	s, now := w.sim, &w.now
	for what, is := range map[string]bool{
		"reshapes":         len(next.names()) != len(now.names()) || next.copies != now.copies,
		"rolls":            next.revision > now.revision && !w.broken[next.revision],
		"broken templates": next.revision > now.revision && w.broken[next.revision],
		"rollbacks":        next.revision < now.revision,
		"drains":           next.drained != now.drained && next.drained != nowhere,
	} {
		if is {
			s.count(what)
		}
	}
}

// settle is the last wish: nothing in it is broken.
func (w *wishes) settle() {
	w.over = true
	next := w.now
	if w.broken[next.revision] {
		w.last++
		next.revision = w.last
	}
	if next != w.now {
		w.set(next)
	}
}

// underWay tells whether a change is: there are nodes or members that go or come.
func (s *Simulation) underWay() bool {
	r := s.durable.current()
	if r == nil || len(r.names) != len(s.wishes.now.names()) || len(r.layout.Members) != len(r.names) {
		return true
	}
	for i := range r.layout.Members {
		if r.layout.Members[i].Phase != layout.Serving {
			return true
		}
	}
	return false
}
