package replica

import (
	"sync"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// Refers answers for each value whether an entry refers to it: of one slot, or of all
// slots whose active primary this node is. Operations under way count, with the value
// they bring and the value they replace (F27). kv.ErrUnavailable if a slot's active
// primary is another, or none yet: only it can say no.
func (r *Replica) Refers(refs []wire.Ref) (wire.Answers, error) {
	answers := wire.Answers{Slots: make([]int, len(refs))}
	mine, err := r.Active()
	if err != nil {
		return wire.Answers{}, err
	}
	for i, ref := range refs {
		in := mine
		if ref.Slot != wire.AnySlot {
			if !mine[ref.Slot] {
				return wire.Answers{}, kv.Unavailable("slot %d is not active here", ref.Slot)
			}
			in = &[256]bool{}
			in[ref.Slot] = true
		}
		// Pending first: an operation that ends in between is found in the store then.
		n, ok := r.busy.find(ref)
		if !ok {
			n, ok = r.opt.Entries.Refers(ref.UID, in)
		}
		answers.Slots[i] = wire.AnySlot
		if ok {
			answers.Slots[i] = int(n)
		}
	}
	return answers, nil
}

// pendingRefs are the values that operations under way bring.
type pendingRefs struct {
	mu   sync.Mutex
	refs map[pendingRef]int
}

type pendingRef struct {
	uid  uid.UID
	slot uint8
}

func (p *pendingRefs) add(u uid.UID, slot uint8, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refs == nil {
		p.refs = make(map[pendingRef]int)
	}
	k := pendingRef{u, slot}
	if p.refs[k] += n; p.refs[k] == 0 {
		delete(p.refs, k)
	}
}

func (p *pendingRefs) find(ref wire.Ref) (slot uint8, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refs) == 0 {
		return 0, false
	}
	if ref.Slot != wire.AnySlot {
		_, ok = p.refs[pendingRef{ref.UID, uint8(ref.Slot)}]
		return uint8(ref.Slot), ok
	}
	for k := range p.refs {
		if k.uid == ref.UID {
			return k.slot, true
		}
	}
	return 0, false
}
