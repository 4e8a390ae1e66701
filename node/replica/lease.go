package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// leases are those of this node with each other one, in both directions.
type leases struct {
	mu    sync.Mutex
	epoch uint64
	dead  map[layout.ID]bool
	given map[layout.ID]time.Duration // until when, by this node's clock
	held  map[layout.ID]*lease
}

// lease is one that another node granted to this one.
type lease struct {
	until  atomic.Int64 // by this node's clock
	member *layout.Member
}

func (l *leases) adopt(t *layout.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch = t.Layout.Epoch
	l.dead = make(map[layout.ID]bool, len(t.Layout.Dead))
	for _, id := range t.Layout.Dead {
		l.dead[id] = true
	}
	for id := range l.held {
		if t.Member(id) == nil {
			delete(l.held, id)
		}
	}
}

// of returns the leases that this node holds from the members.
func (l *leases) of(members []*layout.Member) []*lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = make(map[layout.ID]*lease)
	}
	out := make([]*lease, len(members))
	for i, member := range members {
		if l.held[member.Incarnation] == nil {
			l.held[member.Incarnation] = &lease{member: member}
		}
		out[i] = l.held[member.Incarnation]
	}
	return out
}

// givenTo tells whether another node may still count on a lease from this one.
func (l *leases) givenTo(id layout.ID, now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, ok := l.given[id]
	return ok && !l.dead[id] && now < until
}

// Grant gives a lease to a node that beat with the layout of that epoch, and tells whether
// it did: nothing is granted to a sender with an older layout. The lease lasts longer here
// than its holder counts (F8).
func (m *Machine) Grant(to layout.ID, epoch uint64, now time.Duration) bool {
	l := &m.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	if epoch < l.epoch {
		return false
	}
	if l.given == nil {
		l.given = make(map[layout.ID]time.Duration)
	}
	for id, until := range l.given {
		if until < now {
			delete(l.given, id)
		}
	}
	l.given[to] = max(l.given[to], now+m.granted())
	return true
}

// held is for how long a lease lasts for its holder.
func (m *Machine) held() time.Duration { return Lease * m.opt.Second * 9 / 10 }

// granted is for how long a lease lasts for whoever grants it.
func (m *Machine) granted() time.Duration { return Lease * m.opt.Second * 11 / 10 }

// Granted notes that a node of that epoch has answered a beat which was sent then. It does
// not count if this node has not adopted the epoch (F9).
func (m *Machine) Granted(by layout.ID, epoch uint64, sent time.Duration) {
	l := &m.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[by]
	if held == nil || epoch > l.epoch {
		return
	}
	until := int64(sent + m.held())
	held.until.Store(max(held.until.Load(), until))
}

// standing is a node's place in one view of a slot. It is replaced, never changed.
type standing struct {
	view   uint64
	mine   bool // this node is the primary
	active bool
	fresh  time.Duration // a lease that lasts until then, or longer, was asked for since it is active
	leases []*lease      // those without which it may not answer
}

func (st *standing) leased(now time.Duration) bool {
	for _, l := range st.leases {
		if int64(now) >= l.until.Load() {
			return false
		}
	}
	return true
}

// awaits tells whether a lease is on its way: no beat was answered yet that was sent since this
// node is active. What was answered when it was the primary at an earlier time does not count.
func (st *standing) awaits(l *lease) bool { return l.until.Load() < int64(max(st.fresh, 1)) }

// cutOff says why the leases are not there.
func (st *standing) cutOff(n uint8) error {
	for _, l := range st.leases {
		if st.awaits(l) {
			return notHeardOf(n, l.member)
		}
	}
	return kv.Refuse(kv.CutOff, "the primary of slot %d has not heard of all its owners for too long", n)
}

// lost says what to make of an error of Ready: an owner that a new primary has not heard of yet
// is not lost.
func (s *slot) lost(member *layout.Member, err error) error {
	if kv.ReasonOf(err) != kv.OwnerLost {
		return err
	}
	st := s.standing.Load()
	for _, l := range st.leases {
		if l.member.Incarnation == member.Incarnation && st.awaits(l) {
			return notHeardOf(s.n, member)
		}
	}
	return err
}

func notHeardOf(n uint8, member *layout.Member) error {
	return kv.Refuse(kv.TakingOver, "the new primary of slot %d has not heard of %s yet", n, member.Name)
}

// holds tells whether the right to answer that a node had is still there.
func (s *slot) holds(st *standing, now time.Duration) error {
	switch {
	case !st.leased(now):
		return st.cutOff(s.n)
	case s.standing.Load() != st:
		return kv.Refuse(kv.Moved, "slot %d has other owners now", s.n)
	}
	return nil
}

// notActive says why this node does not act as the slot's primary; the lock is held.
func (s *slot) notActive() error {
	switch {
	case s.primary == nil:
		return kv.Refuse(kv.NoPrimary, "slot %d has none", s.n)
	case s.waking != nil:
		return kv.Refuse(kv.TakingOver, "%s is about to be the primary of slot %d", s.primary.Name, s.n)
	}
	return kv.Refuse(kv.Moved, "the primary of slot %d is %s", s.n, s.primary.Name)
}

func (s *slot) primaryName() string {
	if s.primary == nil {
		return "no primary"
	}
	return s.primary.Name.String()
}

// Marks returns the watermarks of the slots that this node is the active primary of
// and the member an owner of, where they are above told, and notes them there.
func (m *Machine) Marks(member layout.ID, told *[layout.Slots]kv.Version) (marks []wire.Mark) {
	for i := range m.slots {
		s := &m.slots[i]
		if !s.standing.Load().active {
			continue
		}
		s.mu.Lock()
		if s.standing.Load().active && s.has(member) {
			if v := (kv.Version{View: s.view, N: s.order.watermark()}); v.Compare(told[i]) > 0 {
				told[i] = v
				marks = append(marks, wire.Mark{Slot: uint8(i), Version: v})
			}
		}
		s.mu.Unlock()
	}
	return marks
}

func (s *slot) has(member layout.ID) bool {
	for _, o := range s.others {
		if o.Incarnation == member {
			return true
		}
	}
	return false
}
