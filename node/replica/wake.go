package replica

import (
	"maps"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// waking is what a new primary has found out so far.
type waking struct {
	asks    []asking
	found   map[string]wire.Unsettled // the newest by key
	ordered bool                      // anew, in this view
}

// asking is the question to one of the other owners.
type asking struct {
	member   *layout.Member
	done     bool // it has adopted the view and told what is unsettled
	underWay bool
	again    time.Duration
	failures int
}

func newWaking(others []*layout.Member) *waking {
	w := &waking{found: make(map[string]wire.Unsettled)}
	for _, member := range others {
		w.asks = append(w.asks, asking{member: member})
	}
	return w
}

// ask sends the questions that are due; those to one owner about many slots go together.
func (m *Machine) ask(s *slot, now time.Duration, fx *Effects) {
	if s.waking == nil {
		return
	}
	for i := range s.waking.asks {
		a := &s.waking.asks[i]
		if !a.done && !a.underWay && a.again <= now {
			a.underWay = true
			fx.gather(a.member, s)
		}
	}
}

func (fx *Effects) gather(to *layout.Member, s *slot) {
	i := slices.IndexFunc(fx.Gathers, func(g *Gather) bool { return g.To.Incarnation == to.Incarnation })
	if i < 0 {
		i = len(fx.Gathers)
		fx.Gathers = append(fx.Gathers, &Gather{To: to})
	}
	fx.Gathers[i].Slots = append(fx.Gathers[i].Slots, s.n)
	fx.Gathers[i].Views = append(fx.Gathers[i].Views, s.view)
}

// Gathered takes in the answer to a question, nil if there was none.
func (m *Machine) Gathered(g *Gather, reply *wire.Gathered, now time.Duration) Effects {
	var fx Effects
	for i, n := range g.Slots {
		s := &m.slots[n]
		s.mu.Lock()
		if a := s.asked(g, g.Views[i]); a != nil {
			a.underWay = false
			switch {
			case reply == nil:
				a.again = now + m.backoff(a.failures)
				a.failures++
			case i < reply.Slots:
				a.done = true
				s.waking.find(n, reply.Ops)
				m.progress(s, now, &fx)
			default:
				m.ask(s, now, &fx) // it did not fit into the answer
			}
		}
		s.mu.Unlock()
	}
	return fx
}

// asked is the question that g was about a slot, nil if it is of the past.
func (s *slot) asked(g *Gather, view uint64) *asking {
	if s.waking == nil || s.view != view {
		return nil
	}
	for i := range s.waking.asks {
		if a := &s.waking.asks[i]; a.member.Incarnation == g.To.Incarnation && !a.done {
			return a
		}
	}
	return nil
}

func (w *waking) find(slot uint8, ops []wire.Unsettled) {
	for i := range ops {
		if ops[i].Slot == slot {
			w.take(&ops[i])
		}
	}
}

func (w *waking) take(u *wire.Unsettled) {
	if old, ok := w.found[u.Entry.Key]; !ok || u.Entry.Version.Compare(old.Entry.Version) > 0 {
		w.found[u.Entry.Key] = *u
	}
}

// progress takes a waking primary as far as it can come.
func (m *Machine) progress(s *slot, now time.Duration, fx *Effects) {
	w := s.waking
	if w == nil {
		return
	}
	if !w.ordered {
		if slices.ContainsFunc(w.asks, func(a asking) bool { return !a.done }) {
			return
		}
		w.ordered = true
		m.orderAnew(s, fx)
	}
	if s.waking != w || len(s.order.pending) > 0 || m.fenced(s, now) {
		return
	}
	s.waking, s.earlier = nil, nil
	for _, u := range s.backup.unsettled {
		u.op.succeed() // it was ordered anew, or something newer of its key
	}
	s.backup.unsettled = nil
	fx.Activated = true
	s.standing.Store(&standing{view: s.view, mine: true, active: true, fresh: now + m.held(), leases: m.leases.of(s.others)})
	for _, key := range s.order.parkedKeys() {
		m.proceed(s, key, fx)
	}
}

// fenced tells whether a primary before this one may still answer by leave of a lease that
// this node gave it.
func (m *Machine) fenced(s *slot, now time.Duration) bool {
	if now < s.begins {
		return true
	}
	for _, id := range s.earlier {
		confirmed := slices.ContainsFunc(s.waking.asks, func(a asking) bool { return a.done && a.member.Incarnation == id })
		if !confirmed && m.leases.givenTo(id, now) {
			return true
		}
	}
	return false
}

// orderAnew gives the newest of all unsettled operations of each key a version of this
// view and sends it to all owners. None of them may be lost: any of them may have been
// acknowledged, or seen.
func (m *Machine) orderAnew(s *slot, fx *Effects) {
	ops := make(map[string]*Op)
	for key, op := range s.order.pending { // this node was the primary before, too
		ops[key] = op
	}
	s.order.pending = nil
	for i := range s.backup.unsettled {
		if u, ok := m.unsettled(s, &s.backup.unsettled[i]); ok {
			s.waking.take(&u)
		}
	}
	for key, u := range s.waking.found {
		if op := ops[key]; op == nil || op.entry.Version.Compare(u.Entry.Version) < 0 {
			ops[key] = m.successor(s, &u, op)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ops)) {
		op := ops[key]
		s.order.last++
		op.entry.Version = kv.Version{View: s.view, N: s.order.last}
		m.send(s, op, fx)
	}
}

// successor makes an operation of one that was gathered, for whoever waits for it here.
// An older one of the key that waited was settled before the newer could be ordered.
func (m *Machine) successor(s *slot, u *wire.Unsettled, older *Op) *Op {
	if older != nil {
		m.busy.add(older.uid(), s.n, -1)
		older.succeed()
	}
	m.busy.add(u.Entry.UID, s.n, 1)
	for i := range s.backup.unsettled {
		if w := &s.backup.unsettled[i]; w.op != nil && w.key == u.Entry.Key && w.op.id == u.ID && w.op.origin == u.Origin {
			op := w.op
			w.op = nil
			op.entry = u.Entry
			return op
		}
	}
	return &Op{slot: s.n, entry: u.Entry, origin: u.Origin, id: u.ID, ordered: true, done: make(chan struct{})}
}
