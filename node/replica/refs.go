package replica

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// Refers answers for each value whether an entry refers to it: of one slot, or of all
// slots whose active primary this node is, to somebody with the layout of that epoch.
// Operations under way count, with the value they bring and the value they replace (F27).
// kv.ErrUnavailable if a slot's active primary is another, or none yet, or has lost its
// leases: only it can say no.
func (m *Machine) Refers(refs []wire.Ref, epoch uint64, clock func() time.Duration) (wire.Answers, error) {
	answers := wire.Answers{Slots: make([]int, len(refs))}
	r, err := m.Read(epoch)
	if err != nil {
		return wire.Answers{}, err
	}
	mine := r.Slots()
	for i, ref := range refs {
		in := mine
		if ref.Slot != wire.AnySlot {
			if !r.Has(uint8(ref.Slot)) {
				return wire.Answers{}, kv.Refuse(kv.Moved, "slot %d is not active here", ref.Slot)
			}
			in = &[layout.Slots]bool{}
			in[ref.Slot] = true
		}
		// Pending first: an operation that ends in between is found in the store then.
		n, ok := m.busy.find(ref)
		if !ok {
			n, ok = m.opt.Entries.Refers(ref.UID, in)
		}
		answers.Slots[i] = wire.AnySlot
		if ok {
			answers.Slots[i] = int(n)
		}
	}
	if err := r.Holds(clock()); err != nil {
		return wire.Answers{}, err
	}
	return answers, nil
}

// pendingRefs are the values that operations bring which have not ended.
type pendingRefs struct {
	mu   sync.Mutex
	refs map[pendingRef]int
	told map[pendingRef]bool // those that somebody asked for
	left []uid.UID           // refused after somebody was told of them, who does not ask again
}

type pendingRef struct {
	uid  uid.UID
	slot uint8
}

func (p *pendingRefs) add(u uid.UID, slot uint8, n int) {
	if u == (uid.UID{}) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refs == nil {
		p.refs = make(map[pendingRef]int)
	}
	k := pendingRef{u, slot}
	if p.refs[k] += n; p.refs[k] == 0 {
		delete(p.refs, k)
		delete(p.told, k)
	}
}

// refuse ends one that brings nothing. If an owner of the value was told that it is
// referred to, it must be hinted that it is not.
func (p *pendingRefs) refuse(u uid.UID, slot uint8) {
	p.mu.Lock()
	if p.told[pendingRef{u, slot}] {
		p.left = append(p.left, u)
	}
	p.mu.Unlock()
	p.add(u, slot, -1)
}

// takeLeft returns what owners are to be hinted.
func (p *pendingRefs) takeLeft() (left []uid.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left, p.left = p.left, nil
	return left
}

func (p *pendingRefs) find(ref wire.Ref) (slot uint8, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refs) == 0 {
		return 0, false
	}
	if ref.Slot != wire.AnySlot {
		k := pendingRef{ref.UID, uint8(ref.Slot)}
		if _, ok = p.refs[k]; ok {
			p.tells(k)
		}
		return k.slot, ok
	}
	for _, k := range slices.SortedFunc(maps.Keys(p.refs), func(a, b pendingRef) int { return int(a.slot) - int(b.slot) }) {
		if k.uid == ref.UID {
			p.tells(k)
			return k.slot, true
		}
	}
	return 0, false
}

func (p *pendingRefs) tells(k pendingRef) {
	if p.told == nil {
		p.told = make(map[pendingRef]bool)
	}
	p.told[k] = true
}

// of tells whether an operation brings a value of the slot.
func (p *pendingRefs) of(slot uint8) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.refs {
		if k.uid.Slot() == slot {
			return true
		}
	}
	return false
}
