package peers

import (
	"fmt"
	"io"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

func (s *Service) value(r *peer.Request) {
	u, err := wire.ParseUID(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(u.Slot()))
	}
	if err != nil {
		s.reply(r, answer{}, err)
		return
	}
	v := s.Owner.Value(u)
	if v == nil {
		r.Reply(wire.CodeGone, nil, nil)
		return
	}
	defer v.Close()
	if v.Size() > wire.MaxInline {
		r.Reply(peer.CodeBad, []byte("too large for a frame"), nil)
		return
	}
	b, err := kv.Whole(v)
	s.reply(r, answer{b: b}, err)
}

// place stores a small value, or tells whether it is here.
func (s *Service) place(r *peer.Request) (answer, error) {
	p, value, err := wire.ParsePlace(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(p.UID.Slot()))
	}
	if err == nil {
		err = s.owns(p.UID.Slot())
	}
	if err != nil {
		return answer{}, err
	}
	if r.Op == wire.OpTouch {
		had := byte(0)
		if s.Owner.Touch(p) {
			had = 1
		}
		return answer{a: []byte{had}}, s.check(r.Epoch, ofSlot(p.UID.Slot()))
	}
	if s.Owner.Sum(value) != p.UID {
		return answer{}, fmt.Errorf("%w: %s", ErrCorrupt, p.UID)
	}
	if err := s.Owner.Place(p, value); err != nil {
		return answer{}, err
	}
	// Again: whoever became an owner meanwhile may have asked what there is before the
	// value was stored.
	return answer{}, s.check(r.Epoch, ofSlot(p.UID.Slot()))
}

// owns refuses values of slots that this node does not own, and of those that nobody
// serves: their owners begin without any value, and need not all be there yet.
func (s *Service) owns(slot uint8) error {
	owners := s.State.Table().Owners(slot)
	if owners.Primary == nil {
		return kv.Refuse(kv.NoPrimary, "slot %d has none", slot)
	}
	for _, m := range owners.Ack {
		if m.Incarnation == s.State.Incarnation() {
			return nil
		}
	}
	return kv.Refuse(kv.Moved, "not an owner of slot %d", slot)
}

func (s *Service) hints(r *peer.Request) error {
	m, err := wire.ParseUIDs(r.Payload)
	if err != nil {
		return err
	}
	for _, u := range m.UIDs {
		s.Owner.Hinted(u)
	}
	return nil
}

func (s *Service) suspect(r *peer.Request) error {
	u, err := wire.ParseUID(r.Payload)
	if err == nil {
		s.Owner.Doubt(u)
	}
	return err
}

// Body answers a request that brings or fetches a large value.
func (s *Service) Body(r *peer.BodyRequest) {
	// What clients wait for is sent before what is copied.
	r.Background(!forClient(r.Op))
	if forClient(r.Op) {
		s.Clients.Asked()
		defer s.Clients.Answered()
	}
	var err error
	switch r.Op {
	case wire.OpPlace:
		err = s.placeBody(r)
	case wire.OpValue:
		var done bool
		if done, err = s.valueBody(r); done {
			return
		}
	case wire.OpFetch, wire.OpCopy:
		var done bool
		if done, err = s.fetch(r); done {
			return
		}
	default:
		err = fmt.Errorf("%w %d", errUnknownOperation, r.Op)
	}
	code, payload := result(err)
	_ = r.Reply(code, payload, 0, nil) // its failure ends the connection
}

func (s *Service) placeBody(r *peer.BodyRequest) error {
	p, _, err := wire.ParsePlace(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(p.UID.Slot()))
	}
	if err == nil {
		err = s.owns(p.UID.Slot())
	}
	if err != nil {
		return err
	}
	staged, err := s.Owner.Store.Stage(r.Size)
	if err != nil {
		return err
	}
	sum := s.Owner.Secret.Hash()
	defer sum.Close()
	n, err := staged.ReadFrom(io.TeeReader(r.Body, sum))
	if err == nil && (n != r.Size || sum.UID() != p.UID) {
		err = fmt.Errorf("%w: %s, %d of %d bytes", ErrCorrupt, p.UID, n, r.Size)
	}
	if err != nil {
		staged.Discard()
		return err
	}
	s.Owner.Install(p, staged)
	return s.check(r.Epoch, ofSlot(p.UID.Slot())) // as in place
}

func (s *Service) valueBody(r *peer.BodyRequest) (done bool, err error) {
	u, err := wire.ParseUID(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(u.Slot()))
	}
	if err != nil {
		return false, err
	}
	v := s.Owner.Value(u)
	if v == nil {
		_ = r.Reply(wire.CodeGone, nil, 0, nil) // its failure ends the connection
		return true, nil
	}
	defer v.Close()
	_ = r.Reply(peer.CodeOK, nil, v.Size(), func(w io.Writer) error { return kv.WriteChunks(w, v) }) // as above
	return true, nil
}
