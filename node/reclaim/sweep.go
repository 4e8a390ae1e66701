package reclaim

import (
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

const (
	// A slow sweep takes up a slot every 8 ticks, so a round takes about 9 minutes; a
	// fast one 4 slots a tick, so 16 seconds.
	slowTicks, fastSlots = 8, 4
)

// sweep walks all values of this node's slots, round after round. It is fast when checks
// were left out, and when a slot of entries has another primary: the hints that the
// earlier one owed were lost with it. Then the values are looked at whose witness such a
// slot is.
type sweep struct {
	slot      int
	ticks     int
	fast      bool
	all       bool                    // this fast round stands in for checks that were left out
	turned    [layout.Slots]bool      // this fast round looks for values with these witnesses
	primaries [layout.Slots]layout.ID // as last seen
}

// follow notes which slots have another primary now.
func (s *sweep) follow(t *layout.Table) {
	for i := range s.primaries {
		m := t.Owners(uint8(i)).Primary
		if m == nil || m.Incarnation == s.primaries[i] {
			continue
		}
		if s.primaries[i] != (layout.ID{}) {
			s.turned[i] = true
			s.fast, s.slot = true, 0
		}
		s.primaries[i] = m.Incarnation
	}
}

// next returns the values to check in this tick, and whether they stand in for checks
// that were left out.
func (s *sweep) next(r *Reclaimer, t *layout.Table) (uids []uid.UID, standIn bool) {
	if !s.all && r.isBehind() {
		// What was left out up to now is found in the round that begins here.
		s.fast, s.all, s.slot = true, true, 0
	}
	standIn = s.all
	slots := fastSlots
	if !s.fast {
		if s.ticks++; s.ticks%slowTicks != 0 {
			return nil, false
		}
		slots = 1
	}
	for range slots {
		uids = append(uids, s.wanted(r, r.slotUIDs(t, uint8(s.slot)))...)
		if s.slot++; s.slot == layout.Slots {
			s.slot, s.fast, s.all = 0, false, false
			clear(s.turned[:])
			break
		}
	}
	return uids, standIn
}

// wanted are the values that this round is about.
func (s *sweep) wanted(r *Reclaimer, uids []uid.UID) []uid.UID {
	if !s.fast || s.all {
		return uids
	}
	var out []uid.UID
	for _, u := range uids {
		if f, ok := r.opt.Values.Age(u); ok && s.turned[f.Witness] {
			out = append(out, u)
		}
	}
	return out
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
