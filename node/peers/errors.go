package peers

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/wire"
)

var (
	// ErrMoved: the slot's owners changed. The newer layout is adopted; nothing was done.
	ErrMoved = kv.Refuse(kv.Moved, "the slot's owners changed")
	// errUnknownOperation: the member is of a version that does not know what it was asked.
	errUnknownOperation = errors.New("unknown operation")
	// ErrCorrupt: the owner sent other bytes than the uid names.
	ErrCorrupt = errors.New("the owner's copy is corrupt")
)

// failed maps what went wrong with a connection. A request that never left or that
// has no effect was not executed; a write that may have arrived has an unknown outcome.
func failed(m *layout.Member, op peer.Op, err error) error {
	if op == wire.OpOrder && !errors.Is(err, peer.ErrNotSent) {
		return fmt.Errorf("%w: asking %s: %w", kv.ErrUnknown, m.Name, err)
	}
	return kv.Refuse(kv.Unreachable, "asking %s: %v", m.Name, err)
}

// left is ErrMoved in place of an error about a member that was taken out of the layout
// meanwhile: its connections were closed for that, and nothing was done.
func (p *Peers) left(m *layout.Member, err error) error {
	t := p.state.Table()
	if kv.ReasonOf(err) == kv.Unreachable && t != nil && t.Member(m.Incarnation) == nil {
		return ErrMoved
	}
	return err
}

// refused maps a reply's code to the error that encode made it from.
func refused(m *layout.Member, r peer.Reply) error {
	switch r.Code {
	case wire.CodeNotFound:
		return kv.ErrNotFound
	case wire.CodePrecondition:
		return kv.ErrPrecondition
	case wire.CodeTicket:
		return replica.ErrTicket
	case wire.CodeGone:
		return kv.ErrGone
	case wire.CodeNoMemory:
		return noMemoryAt(m)
	case wire.CodeUnknown:
		return fmt.Errorf("%w: %s", kv.ErrUnknown, r.Payload)
	case peer.CodeRefused:
		refusal := kv.ParseRefusal(string(r.Payload))
		return kv.Refuse(refusal.Reason, "%s: %s", m.Name, refusal.Text)
	}
	if r.Code == peer.CodeBad && strings.HasPrefix(string(r.Payload), errUnknownOperation.Error()) {
		return fmt.Errorf("%w at %s", errUnknownOperation, m.Name)
	}
	return fmt.Errorf("%s: %s: %s", m.Name, r.Code, r.Payload)
}

// encode maps an error to the code and the payload that tell it to a peer.
func encode(err error) (peer.Code, []byte) {
	for _, c := range []struct {
		err  error
		code peer.Code
	}{
		{kv.ErrNotFound, wire.CodeNotFound},
		{kv.ErrPrecondition, wire.CodePrecondition},
		{replica.ErrTicket, wire.CodeTicket},
		{kv.ErrNoMemory, wire.CodeNoMemory},
		{kv.ErrUnknown, wire.CodeUnknown},
		{kv.ErrUnavailable, peer.CodeRefused},
		{ErrCorrupt, peer.CodeRefused}, // damaged on its way: to be sent again
	} {
		if errors.Is(err, c.err) {
			return c.code, []byte(err.Error())
		}
	}
	return peer.CodeBad, []byte(err.Error())
}

func noMemoryAt(m *layout.Member) error { return fmt.Errorf("%w at %s", kv.ErrNoMemory, m.Name) }
