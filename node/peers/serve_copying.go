package peers

import (
	"math"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// uidPage is how many values stand in a page: few enough that their slot is not locked
// for long.
const uidPage = 2048

// entries answers with committed entries, if this node is the slot's primary.
func (s *Service) entries(r *peer.Request) (answer, error) {
	q := wire.SomeEntries{Most: math.MaxInt64}
	var err error
	if r.Op == wire.OpSomeEntries {
		q, err = wire.ParseSomeEntries(r.Payload)
	} else {
		q.Entries, err = wire.ParseEntries(r.Payload)
	}
	if err == nil {
		err = s.check(r.Epoch, ofSlot(q.Slot))
	}
	if err != nil {
		return answer{}, err
	}
	defer s.enter()()
	page, err := s.Owner.Replica.Page(q.Slot, q.After, q.Most, r.Epoch, s.Owner.Clock)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(q.Slot))
	}
	if err != nil {
		return answer{}, err
	}
	return answer{a: page.Append(nil)}, nil
}

// uids answers with the values of a slot that this node serves.
func (s *Service) uids(r *peer.Request) (answer, error) {
	q := wire.SomeUIDs{Most: math.MaxInt64}
	var err error
	if r.Op == wire.OpSomeUIDs {
		q, err = wire.ParseSomeUIDs(r.Payload)
	} else {
		q.UIDsAfter, err = wire.ParseUIDsAfter(r.Payload)
	}
	if err == nil {
		err = s.serves(r.Epoch, q.Slot)
	}
	if err != nil {
		return answer{}, err
	}
	defer s.enter()()
	whole := s.Owner.Healing.Watch(q.Slot)
	most := int(max(1, min(uidPage, q.Most/wire.ValueInfoSize)))
	values := s.Owner.Store.Values(q.Slot, q.After, most+1)
	page := wire.UIDPage{Bytes: s.Owner.Store.ValueBytes(q.Slot), More: len(values) > most}
	for _, v := range values[:min(len(values), most)] {
		page.Values = append(page.Values, wire.ValueInfo(v))
	}
	if !whole() {
		return answer{}, errHealing(q.Slot)
	}
	// Again: what was read by a newer layout may lack what the asking side must have.
	return answer{a: page.Append(nil)}, s.serves(r.Epoch, q.Slot)
}

// errHealing refuses what would make another member believe that there is no such value, while
// this one looks for a good copy of it.
func errHealing(slot uint8) error {
	return kv.Refuse(kv.Busy, "a corrupt copy of a value of slot %d was dropped here, and is being healed", slot)
}

// serves refuses what may be asked only of a member that has everything of a slot (I3),
// in a view that the asking side knows.
func (s *Service) serves(epoch uint64, slot uint8) error {
	if err := s.check(epoch, ofSlot(slot)); err != nil {
		return err
	}
	for _, m := range s.State.Table().Owners(slot).Serving {
		if m.Incarnation == s.State.Incarnation() {
			return nil
		}
	}
	return kv.Refuse(kv.Moved, "not serving slot %d", slot)
}

func (s *Service) servesAll(epoch uint64, uids []uid.UID) error {
	var seen [layout.Slots]bool
	for _, u := range uids {
		if seen[u.Slot()] {
			continue
		}
		seen[u.Slot()] = true
		if err := s.serves(epoch, u.Slot()); err != nil {
			return err
		}
	}
	return nil
}
