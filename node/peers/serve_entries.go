package peers

import (
	"context"
	"math"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

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

func (s *Service) beat(r *peer.Request) (answer, error) {
	b, err := wire.ParseBeat(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, ofNone)
	}
	if err != nil {
		return answer{}, err
	}
	// Granted before anything is answered: from here on this node keeps its word.
	if !s.Owner.Replica.Grant(r.From.Incarnation, r.Epoch, s.Owner.Clock()) {
		return answer{}, &errReply{peer.CodeStale, s.State.Table().Layout.Encode()}
	}
	s.Heard(r.From.Incarnation)
	s.Owner.Replica.Settle(r.From.Incarnation, b.Marks)
	// Every primary may use its share before it hears of less.
	peers := max(1, len(s.State.Table().Layout.Members)-1)
	pulse := wire.Pulse{Credit: s.Owner.Store.Headroom() / int64(min(peers, 8)), Epoch: s.State.Epoch()}
	if pulse.Credit == 0 {
		pulse.Credit = math.MinInt64 / 2
	}
	return answer{a: pulse.Append(nil)}, nil
}

func (s *Service) order(r *peer.Request) (answer, error) {
	if s.stopping.Load() {
		return answer{}, kv.Refuse(kv.Stopping, "this node is stopping")
	}
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
		err = s.check(r.Epoch, (*layout.Table).NewestView)
	}
	if err != nil {
		return answer{}, err
	}
	page, err := s.Owner.List(&q, r.Epoch)
	if err != nil {
		return answer{}, err
	}
	return answer{a: page.Append(nil)}, nil
}

func (s *Service) refs(r *peer.Request) (answer, error) {
	m, err := wire.ParseRefs(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, (*layout.Table).NewestView)
	}
	var a wire.Answers
	if err == nil {
		a, err = s.Owner.Replica.Refers(m.Refs, r.Epoch, s.Owner.Clock)
	}
	if err != nil {
		return answer{}, err
	}
	return answer{a: a.Append(nil)}, nil
}

// gather tells a new primary what is unsettled of its slots.
func (s *Service) gather(r *peer.Request) (answer, error) {
	m, err := wire.ParseGather(r.Payload)
	if err == nil {
		err = s.check(r.Epoch, func(t *layout.Table) uint64 { return t.View(m.Slots...) })
	}
	if err != nil {
		return answer{}, err
	}
	g, err := s.Owner.Replica.Unsettled(r.From.Incarnation, &m)
	if err != nil {
		return answer{}, err
	}
	return answer{a: g.Append(nil)}, nil
}
