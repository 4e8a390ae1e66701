package reclaim

import (
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

const (
	// A slow sweep takes up a slot every 8 ticks, so a round takes about 9 minutes; a
	// fast one, when checks were left out, 4 slots a tick, so 16 seconds.
	slowTicks, fastSlots = 8, 4
)

// sweep walks all values of this node's slots, round after round.
type sweep struct {
	slot  int
	ticks int
	fast  bool
}

// next returns the values to check in this tick, and whether they stand in for checks
// that were left out.
func (s *sweep) next(r *Reclaimer, t *layout.Table) (uids []uid.UID, fast bool) {
	if !s.fast && r.isBehind() {
		// What was left out up to now is found in the round that begins here.
		s.fast, s.slot = true, 0
	}
	fast = s.fast
	slots := fastSlots
	if !s.fast {
		if s.ticks++; s.ticks%slowTicks != 0 {
			return nil, false
		}
		slots = 1
	}
	for range slots {
		uids = append(uids, r.slotUIDs(t, uint8(s.slot))...)
		if s.slot++; s.slot == layout.Slots {
			s.slot, s.fast = 0, false
			break
		}
	}
	return uids, fast
}

func (r *Reclaimer) slotUIDs(t *layout.Table, slot uint8) (all []uid.UID) {
	for _, m := range t.Owners(slot).Ack {
		if m.Incarnation != r.opt.Self {
			continue
		}
		var after uid.UID
		for {
			page := r.opt.Values.UIDs(slot, after, batch)
			all = append(all, page...)
			if len(page) < batch {
				return all
			}
			after = page[len(page)-1]
		}
	}
	return nil
}
