package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/wire"
)

// Service answers what peers and the author ask of this node.
type Service struct {
	State  *member.State
	Owner  *owner.Owner
	Status func() peer.Status
}

// Call answers a request. What takes long or waits for others gets a goroutine.
func (s *Service) Call(r *peer.Request) {
	switch r.Op {
	case peer.OpPing:
		r.Reply(peer.CodeOK, nil, nil)
	case peer.OpLayout:
		s.layout(r)
	case wire.OpOrder, wire.OpList, wire.OpRefs, peer.OpStatus:
		d := r.Detach()
		go s.slow(d)
	default:
		s.quick(r)
	}
}

// layout adopts a layout and answers with the newest.
func (s *Service) layout(r *peer.Request) {
	l, err := layout.Decode(r.Payload)
	if err == nil {
		err = s.State.Adopt(l)
	}
	if err != nil {
		r.Reply(peer.CodeRefused, []byte(err.Error()), nil)
		return
	}
	r.Reply(peer.CodeOK, s.State.Table().Layout.Encode(), nil)
}

// current compares the epochs of the two sides (R3). If the slots asked about have
// other owners than the asking side believes, it returns what to reply.
func (s *Service) current(epoch uint64, view func(*layout.Table) uint64) (peer.Code, []byte) {
	t := s.State.Table()
	switch {
	case t == nil || t.Layout.Epoch < epoch:
		if epoch == 0 {
			return peer.CodeRefused, []byte("no layout yet")
		}
		return peer.CodeNeedLayout, nil
	case view(t) > epoch:
		return peer.CodeStale, t.Layout.Encode()
	}
	return peer.CodeOK, nil
}

func ofSlot(slot uint8) func(*layout.Table) uint64 {
	return func(t *layout.Table) uint64 { return t.Owners(slot).View }
}

// ofAll is the newest view of all slots, for requests about more than one.
func ofAll(t *layout.Table) (view uint64) {
	for i := range t.Layout.Segments {
		view = max(view, t.Layout.Segments[i].View)
	}
	return view
}

func ofNone(*layout.Table) uint64 { return 0 }

// answer is what a request's handler returns: the reply's payload in two parts.
type answer struct{ a, b []byte }

func (s *Service) finish(r *peer.Request, a answer, err error) {
	if err != nil {
		code, payload := encode(err)
		r.Reply(code, payload, nil)
		return
	}
	r.Reply(peer.CodeOK, a.a, a.b)
}

// errReply is a reply that says something about layouts.
type errReply struct {
	code    peer.Code
	payload []byte
}

func (e *errReply) Error() string { return e.code.String() }

func (s *Service) check(epoch uint64, view func(*layout.Table) uint64) error {
	if code, payload := s.current(epoch, view); code != peer.CodeOK {
		return &errReply{code, payload}
	}
	return nil
}

func (s *Service) quick(r *peer.Request) {
	var a answer
	var err error
	switch r.Op {
	case wire.OpLookup:
		s.lookup(r)
		return
	case wire.OpValue:
		s.value(r)
		return
	case wire.OpReplicate:
		err = s.replicate(r)
	case wire.OpPlace, wire.OpTouch:
		a, err = s.place(r)
	case wire.OpBeat:
		a, err = s.beat(r)
	case wire.OpHints:
		err = s.hints(r)
	case wire.OpSuspect:
		err = s.suspect(r)
	default:
		err = fmt.Errorf("unknown operation %d", r.Op)
	}
	s.reply(r, a, err)
}

func (s *Service) slow(r *peer.Request) {
	var a answer
	var err error
	switch r.Op {
	case wire.OpOrder:
		a, err = s.order(r)
	case wire.OpList:
		a, err = s.list(r)
	case wire.OpRefs:
		a, err = s.refs(r)
	case peer.OpStatus:
		a.a, err = json.Marshal(s.Status())
	}
	s.reply(r, a, err)
}

func (s *Service) reply(r *peer.Request, a answer, err error) {
	var e *errReply
	if errors.As(err, &e) {
		r.Reply(e.code, e.payload, nil)
		return
	}
	s.finish(r, a, err)
}

// lookup answers with the entry and, if asked for and here, the small value: its bytes
// go from the store to the connection's buffer without a copy in between.
func (s *Service) lookup(r *peer.Request) {
	q, err := wire.ParseLookup(r.Payload)
	slot := s.Owner.KeySlot(q.Key)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(slot))
	}
	var found wire.Found
	if err == nil {
		found.Entry, err = s.Owner.Entry(slot, q.Key)
	}
	if err != nil {
		s.reply(r, answer{}, err)
		return
	}
	if q.Inline == 0 || found.Entry.Size > int64(q.Inline) {
		r.Reply(peer.CodeOK, found.Append(nil), nil)
		return
	}
	v := s.Owner.Value(found.Entry.UID)
	if v == nil {
		r.Reply(peer.CodeOK, found.Append(nil), nil)
		return
	}
	defer v.Close()
	found.HasValue = true
	b, err := kv.Whole(v)
	if err != nil {
		s.reply(r, answer{}, err)
		return
	}
	r.Reply(peer.CodeOK, found.Append(nil), b)
}

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

func (s *Service) replicate(r *peer.Request) error {
	m, err := wire.ParseReplicate(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(m.Slot))
	}
	if err == nil && s.Owner.KeySlot(m.Entry.Key) != m.Slot {
		err = wire.ErrMalformed
	}
	if err != nil {
		return err
	}
	return s.Owner.Replica.Accept(r.From.Incarnation, &m)
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
		if s.Owner.Touch(p) {
			return answer{a: []byte{1}}, nil
		}
		return answer{a: []byte{0}}, nil
	}
	if s.Owner.Sum(value) != p.UID {
		return answer{}, fmt.Errorf("%w: %s", ErrCorrupt, p.UID)
	}
	return answer{}, s.Owner.Place(p, value)
}

// owns refuses values of slots that this node does not own.
func (s *Service) owns(slot uint8) error {
	for _, m := range s.State.Table().Owners(slot).Ack {
		if m.Incarnation == s.State.Incarnation() {
			return nil
		}
	}
	return kv.Unavailable("not an owner of slot %d", slot)
}

func (s *Service) beat(r *peer.Request) (answer, error) {
	b, err := wire.ParseBeat(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofNone)
	}
	if err != nil {
		return answer{}, err
	}
	s.Owner.Replica.Settle(r.From.Incarnation, b.Marks)
	// Every primary may use its share before it hears of less.
	peers := max(1, len(s.State.Table().Layout.Members)-1)
	pulse := wire.Pulse{Credit: s.Owner.Store.Headroom() / int64(min(peers, 8))}
	if pulse.Credit == 0 {
		pulse.Credit = math.MinInt64 / 2
	}
	return answer{a: pulse.Append(nil)}, nil
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

func (s *Service) order(r *peer.Request) (answer, error) {
	w, err := wire.ParseWrite(r.Payload)
	slot := s.Owner.KeySlot(w.Key)
	if err == nil {
		err = s.check(r.Epoch, ofSlot(slot))
	}
	if err != nil {
		return answer{}, err
	}
	o, err := s.Owner.Order(context.Background(), slot, &w, r.From.Incarnation)
	if err != nil {
		return answer{}, err
	}
	return answer{a: o.Append(nil)}, nil
}

func (s *Service) list(r *peer.Request) (answer, error) {
	q, err := wire.ParseList(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofAll)
	}
	if err != nil {
		return answer{}, err
	}
	page := s.Owner.List(&q)
	return answer{a: page.Append(nil)}, nil
}

func (s *Service) refs(r *peer.Request) (answer, error) {
	m, err := wire.ParseRefs(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofAll)
	}
	var a wire.Answers
	if err == nil {
		a, err = s.Owner.Replica.Refers(m.Refs)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{a: a.Append(nil)}, nil
}

// Body answers a request that brings or fetches a large value.
func (s *Service) Body(r *peer.BodyRequest) {
	var err error
	switch r.Op {
	case wire.OpPlace:
		err = s.placeBody(r)
	case wire.OpValue:
		var done bool
		if done, err = s.valueBody(r); done {
			return
		}
	default:
		err = fmt.Errorf("unknown operation %d", r.Op)
	}
	code, payload := peer.CodeOK, []byte(nil)
	var e *errReply
	switch {
	case errors.As(err, &e):
		code, payload = e.code, e.payload
	case err != nil:
		code, payload = encode(err)
	}
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
	return nil
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
