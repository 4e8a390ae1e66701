package peers

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// uidPage is how many values stand in a page: few enough that their slot is not locked
// for long.
const uidPage = 2048

// entries answers with committed entries, if this node is the slot's primary.
func (s *Service) entries(r *peer.Request) (answer, error) {
	q, err := wire.ParseEntries(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(q.Slot))
	}
	var page wire.EntryPage
	if err == nil {
		page, err = s.Owner.Replica.Page(q.Slot, q.After, math.MaxInt64, r.Epoch, s.Owner.Clock)
	}
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
	q, err := wire.ParseUIDsAfter(r.Payload)
	if err == nil {
		err = s.serves(r.Epoch, q.Slot)
	}
	if err != nil {
		return answer{}, err
	}
	values := s.Owner.Store.Values(q.Slot, q.After, uidPage+1)
	page := wire.UIDPage{Bytes: s.Owner.Store.ValueBytes(q.Slot), More: len(values) > uidPage}
	for _, v := range values[:min(len(values), uidPage)] {
		page.Values = append(page.Values, wire.ValueInfo(v))
	}
	// Again: what was read by a newer layout may lack what the asking side must have.
	return answer{a: page.Append(nil)}, s.serves(r.Epoch, q.Slot)
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

// fetch answers with many values in one body, from the memory where they are.
func (s *Service) fetch(r *peer.BodyRequest) (done bool, err error) {
	m, err := wire.ParseUIDs(r.Payload)
	if err == nil && len(m.UIDs) > wire.MaxFetchValues {
		err = fmt.Errorf("%w: %d values at once", wire.ErrMalformed, len(m.UIDs))
	}
	if err == nil {
		err = s.servesAll(r.Epoch, m.UIDs)
	}
	if err != nil {
		return false, err
	}
	values, size := s.open(m.UIDs)
	defer func() {
		for _, v := range values {
			if v != nil {
				v.Close()
			}
		}
	}()
	if size > wire.MaxFetch && len(values) > 1 {
		return false, fmt.Errorf("%w: %d bytes at once", wire.ErrMalformed, size)
	}
	if err := s.servesAll(r.Epoch, m.UIDs); err != nil { // as in uids
		return false, err
	}
	size += int64(len(values)) * wire.FetchHeader
	_ = r.Reply(peer.CodeOK, nil, size, func(w io.Writer) error { return writeFetched(w, values) }) // its failure ends the connection
	return true, nil
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

// open holds the values that are here; the others are nil. size is that of all together.
func (s *Service) open(uids []uid.UID) (values []*store.Value, size int64) {
	values = make([]*store.Value, len(uids))
	for i, u := range uids {
		if v := s.Owner.Value(u); v != nil {
			values[i] = v
			size += v.Size()
		}
	}
	return values, size
}

func writeFetched(w io.Writer, values []*store.Value) error {
	header := make([]byte, wire.FetchHeader)
	for _, v := range values {
		n := wire.FetchGone
		if v != nil {
			n = uint64(v.Size())
		}
		binary.BigEndian.PutUint64(header, n)
		if _, err := w.Write(header); err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := kv.WriteChunks(w, v); err != nil {
			return err
		}
	}
	return nil
}
