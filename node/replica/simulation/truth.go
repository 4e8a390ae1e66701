package simulation

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// truth is what the simulation knows and no node does.
type truth struct {
	sim     *Simulation
	changed bool // memory or layouts did since the last check
	keys    map[string]*known
	placed  map[placedEntry]uint64 // by which layouts the values of entries were placed
	lost    map[uint8]uint64       // when slots were given up that nobody has begun yet
	planned planned
	joined  map[layout.ID]time.Duration // when members were admitted
}

// placedEntry is a version of a key's entry: each slot has versions of its own.
type placedEntry struct {
	key     string
	version kv.Version
}

// known is what is known of one key.
type known struct {
	key
	acked   kv.Entry   // the newest that was acknowledged, Key empty: none
	latest  kv.Entry   // the newest that any node has ever had
	deleted kv.Version // the newest that was a deletion
}

// applied is told of every entry that a node stores.
func (f *truth) applied(_ uint8, e *kv.Entry) {
	f.changed = true
	k := f.keys[e.Key]
	if e.Version.Compare(k.latest.Version) > 0 {
		k.latest = *e
	}
	if e.Deleted && e.Version.Compare(k.deleted) > 0 {
		k.deleted = e.Version
	}
}

// acknowledged is told of every write whose success a primary tells.
func (f *truth) acknowledged(p *process, e *kv.Entry) {
	f.changed = true
	k := f.keys[e.Key]
	f.sim.trace(p, "acknowledges %s", shownEntry{e})
	if e.Version.Compare(k.acked.Version) > 0 {
		k.acked = *e
	}
}

// freed is told of every value that an owner frees: no entry may need it (I5).
func (f *truth) freed(p *process, u uid.UID) {
	f.changed = true
	t := f.sim.durable.newest()
	o := t.Owners(u.Slot())
	if o.Loss != 0 || !slices.ContainsFunc(o.Serving, func(m *layout.Member) bool { return m.Incarnation == p.id }) {
		return
	}
	for _, key := range f.sim.keys {
		k := f.keys[key.name]
		if k.acked.Key != "" && k.acked.UID == u && !k.acked.Deleted && k.latest.UID == u && !k.latest.Deleted {
			f.sim.violated("%s frees %s, to which %s refers (I5)", idName(p.id), valueName(u), key.name)
		}
	}
}

// purges is told of every key that is about to be removed because its value was lost: none
// of those who must have it may have it.
func (f *truth) purges(p *process, e *kv.Entry) {
	name, u := e.Key, e.UID
	f.sim.count("purged")
	f.sim.trace(p, "purges %s, as %s was lost", name, valueName(u))
	if f.sim.durable.newest().Owners(u.Slot()).Loss == 0 && p.table.Owners(u.Slot()).Loss == 0 {
		f.sim.violated("%s removes %s as %s was lost, but nothing was", idName(p.id), name, valueName(u))
	}
	if by, ok := f.placed[placedEntry{name, e.Version}]; ok && by >= p.table.Owners(u.Slot()).Loss {
		f.sim.violated("%s removes %s as %s was lost, but it was placed by layout %d, after the loss", idName(p.id), name, valueName(u), by)
	}
}

// written is told of every layout that became durable.
func (f *truth) written(before, after *layout.Table) {
	f.changed = true
	s := f.sim
	l := after.Layout
	if err := l.Validate(); err != nil {
		s.violated("%v (I7)", err)
	}
	if before == nil {
		return
	}
	if l.Epoch != before.Layout.Epoch+1 {
		s.violated("layout %d follows %d (I6)", l.Epoch, before.Layout.Epoch)
	}
	for n := range layout.Slots {
		f.writtenSlot(uint8(n), before.Owners(uint8(n)), after.Owners(uint8(n)), l)
	}
}

// writtenSlot checks what a new layout says of one slot.
func (f *truth) writtenSlot(n uint8, before, after *layout.Owners, l *layout.Layout) {
	s := f.sim
	if turned := before.Primary != after.Primary && idOfMember(before.Primary) != idOfMember(after.Primary) ||
		!sameMembers(before.Ack, after.Ack); turned != (after.View == l.Epoch) {
		s.violated("layout %d: slot %d has view %d", l.Epoch, n, after.View)
	}
	held, holds := everything(before), everything(after)
	kept := slices.ContainsFunc(held, func(m *layout.Member) bool { return has(holds, m) })
	if len(held) > 0 && !kept {
		f.givenUp(n, before, after, l)
	}
	for _, m := range holds {
		if has(held, m) {
			continue
		}
		p := s.process(m.Incarnation)
		begins := before.Loss != 0 && len(held) == 0
		if st := p.machine.State(n, p.clock()); !p.dead && s.used[n] && !st.Complete && !begins {
			s.violated("layout %d: %s serves slot %d without being complete (I3)", l.Epoch, idName(p.id), n)
		}
	}
}

// everything are the owners that have everything of a slot.
func everything(o *layout.Owners) []*layout.Member {
	return slices.DeleteFunc(slices.Clone(o.Ack), func(m *layout.Member) bool { return m.Phase == layout.Attached })
}

// givenUp checks that those who had everything of a slot are dead, and lets its keys begin
// with nothing.
func (f *truth) givenUp(n uint8, before, after *layout.Owners, l *layout.Layout) {
	s := f.sim
	for _, m := range everything(before) {
		switch p := s.process(m.Incarnation); {
		case !p.dead:
			s.violated("layout %d: slot %d is taken from %s, which lives and is its last owner (I1)", l.Epoch, n, idName(p.id))
		case !p.killed && p.me() != nil && p.me().Phase.Acknowledges():
			s.violated("layout %d: slot %d is lost with %s, which nobody killed", l.Epoch, n, idName(p.id))
		}
	}
	if after.Loss != l.Epoch {
		s.violated("layout %d: slot %d lost all its owners, and its loss is not marked", l.Epoch, n)
	}
	s.count("slots lost")
	for _, key := range s.keys {
		if key.slot == n {
			k := f.keys[key.name]
			k.acked, k.latest, k.deleted = kv.Entry{}, kv.Entry{}, kv.Version{}
		}
	}
	if _, ok := f.lost[n]; !ok {
		f.lost[n] = s.history.tick()
	}
}

// begun is told of every node that becomes active. Those who begin a lost slot end what was
// there: until then a primary that was cut off may answer by it, as long as its leases last.
func (f *truth) begun(n uint8, view uint64) {
	if since, ok := f.lost[n]; ok && view >= f.sim.durable.newest().Owners(n).Loss {
		f.ended(n, since)
	}
}

// ended adds a loss to the histories.
func (f *truth) ended(n uint8, since uint64) {
	delete(f.lost, n)
	for _, key := range f.sim.keys {
		if key.slot == n {
			f.sim.history.add(key.name, input{kind: lossKind}, output{}, since)
		}
	}
}

func idOfMember(m *layout.Member) layout.ID {
	if m == nil {
		return layout.ID{}
	}
	return m.Incarnation
}

func has(members []*layout.Member, m *layout.Member) bool {
	return slices.ContainsFunc(members, func(o *layout.Member) bool { return o.Incarnation == m.Incarnation })
}

func sameMembers(a, b []*layout.Member) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(m *layout.Member) bool { return !has(b, m) })
}
