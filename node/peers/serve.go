package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/cores"
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
	// Heard is told of each beat that comes.
	Heard func(from layout.ID)
	// Clients is told of what is asked on behalf of clients; nil: it is not counted.
	Clients *cores.Clients

	stopping atomic.Bool
	busy     atomic.Int64 // requests in goroutines of their own
	gate     gate         // for members that copy
}

// Drain refuses writes from now on and waits until the requests under way are answered,
// or until the context ends. It tells whether all were.
func (s *Service) Drain(ctx context.Context) bool {
	s.stopping.Store(true)
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for s.busy.Load() > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Call answers a request. What takes long or waits for others gets a goroutine.
func (s *Service) Call(r *peer.Request) {
	if forClient(r.Op) {
		s.Clients.Asked()
		defer s.Clients.Answered() // or handed to a goroutine, which is as good as over
	}
	switch r.Op {
	case peer.OpPing:
		r.Reply(peer.CodeOK, nil, nil)
	case peer.OpLayout:
		s.layout(r)
	case wire.OpOrder, wire.OpList, wire.OpRefs, wire.OpGather, peer.OpStatus,
		wire.OpEntries, wire.OpUIDs, wire.OpSomeEntries, wire.OpSomeUIDs:
		d := r.Detach()
		s.busy.Add(1)
		go s.slow(d)
	default:
		s.quick(r)
	}
}

// forClient tells whether a client waits for the answer.
func forClient(op peer.Op) bool {
	switch op {
	case wire.OpLookup, wire.OpValue, wire.OpPlace, wire.OpTouch, wire.OpOrder, wire.OpReplicate, wire.OpList:
		return true
	}
	return false
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
	return func(t *layout.Table) uint64 { return t.View(slot) }
}

func ofNone(*layout.Table) uint64 { return 0 }

// answer is what a request's handler returns: the reply's payload in two parts.
type answer struct{ a, b []byte }

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
		err = fmt.Errorf("%w %d", errUnknownOperation, r.Op)
	}
	s.reply(r, a, err)
}

func (s *Service) slow(r *peer.Request) {
	defer s.busy.Add(-1)
	var a answer
	var err error
	switch r.Op {
	case wire.OpOrder:
		a, err = s.order(r)
	case wire.OpList:
		a, err = s.list(r)
	case wire.OpRefs:
		a, err = s.refs(r)
	case wire.OpGather:
		a, err = s.gather(r)
	case wire.OpEntries, wire.OpSomeEntries:
		a, err = s.entries(r)
	case wire.OpUIDs, wire.OpSomeUIDs:
		a, err = s.uids(r)
	case peer.OpStatus:
		if s.State.Gone() {
			// Whoever lets processes in would take it for a new one.
			err = kv.Refuse(kv.NotMember, "this incarnation was removed and is about to end")
			break
		}
		status := s.Status()
		status.Members = nil
		a.a, err = json.Marshal(status)
	}
	s.reply(r, a, err)
}

func (s *Service) reply(r *peer.Request, a answer, err error) {
	if code, payload := result(err); code != peer.CodeOK {
		r.Reply(code, payload, nil)
		return
	}
	r.Reply(peer.CodeOK, a.a, a.b)
}

// result is the code and the payload that tell a handler's error.
func result(err error) (peer.Code, []byte) {
	var e *errReply
	switch {
	case err == nil:
		return peer.CodeOK, nil
	case errors.As(err, &e):
		return e.code, e.payload
	}
	return encode(err)
}
