package peers

import (
	"context"
	"fmt"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// malformed is the error for a reply that does not read; for a write the outcome is
// then unknown.
func malformed(m *layout.Member, op peer.Op, err error) error {
	return failed(m, op, fmt.Errorf("reply: %w", err))
}

// Ticket returns a moment of the primary's clock that is not long past.
func (p *Peers) Ticket(ctx context.Context, m *layout.Member) (wire.Ticket, error) {
	c, err := p.link(m).connect()
	if err != nil {
		return wire.Ticket{}, p.left(m, failed(m, peer.OpPing, err))
	}
	clock, age := c.Clock()
	if age > p.opt.FreshClock {
		if _, err := c.Call(ctx, readTimeout, peer.OpPing, 0, nil, nil); err != nil {
			return wire.Ticket{}, p.left(m, failed(m, peer.OpPing, err))
		}
		clock, _ = c.Clock()
	}
	return wire.Ticket{Incarnation: m.Incarnation, Clock: clock}, nil
}

// Lookup returns a key's entry from its primary, and its value if it is no larger than
// inline bytes and the primary has it; else the value is nil.
func (p *Peers) Lookup(ctx context.Context, m *layout.Member, key string, inline int) (kv.Entry, kv.Value, error) {
	q := wire.Lookup{Key: key, Inline: inline}
	b, err := p.call(ctx, m, readTimeout, wire.OpLookup, q.Append(nil), nil)
	if err != nil {
		return kv.Entry{}, nil, err
	}
	found, bytes, err := wire.ParseFound(b)
	if err != nil {
		return kv.Entry{}, nil, malformed(m, wire.OpLookup, err)
	}
	if !found.HasValue {
		return found.Entry, nil, nil
	}
	v, err := p.checked(ctx, m, found.Entry.UID, bytes)
	if err != nil {
		return found.Entry, nil, nil //nolint:nilerr // a corrupt copy counts as none: another owner has the value
	}
	return found.Entry, v, nil
}

// checked makes bytes from a peer a value if they are the ones that the uid names (§4.5).
func (p *Peers) checked(ctx context.Context, m *layout.Member, u uid.UID, b []byte) (kv.Value, error) {
	if p.opt.Secret.Sum(b) != u {
		p.suspect(ctx, m, u)
		return nil, fmt.Errorf("%w: %s at %s", ErrCorrupt, u, m.Name)
	}
	return &inlineValue{u, b}, nil
}

// suspect tells an owner that its copy did not match its name.
func (p *Peers) suspect(ctx context.Context, m *layout.Member, u uid.UID) {
	p.opt.Log.Error("corrupt copy of a value", "uid", u.String(), "owner", m.Name.String())
	if _, err := p.call(ctx, m, readTimeout, wire.OpSuspect, u[:], nil); err != nil {
		p.opt.Log.Warn("owner of a corrupt copy could not be told", "owner", m.Name.String(), "error", err)
	}
}

// Order has the primary execute a write.
func (p *Peers) Order(ctx context.Context, m *layout.Member, w *wire.Write) (wire.Ordered, error) {
	b, err := p.call(ctx, m, orderTimeout, wire.OpOrder, w.Append(nil), nil)
	if err != nil {
		return wire.Ordered{}, err
	}
	o, err := wire.ParseOrdered(b)
	if err != nil {
		return o, malformed(m, wire.OpOrder, err)
	}
	return o, nil
}

// Replicate hands a backup an ordered entry.
func (p *Peers) Replicate(ctx context.Context, m *layout.Member, r *wire.Replicate) error {
	_, err := p.call(ctx, m, readTimeout, wire.OpReplicate, r.Append(nil), nil)
	return err
}

// Touch asks an owner whether it has a value, which protects the value if so.
func (p *Peers) Touch(ctx context.Context, m *layout.Member, q wire.Place) (bool, error) {
	b, err := p.call(ctx, m, placeTimeout, wire.OpTouch, q.Append(nil), nil)
	if err != nil {
		return false, err
	}
	return len(b) == 1 && b[0] == 1, nil
}

// Place hands an owner a value of at most wire.MaxInline bytes.
func (p *Peers) Place(ctx context.Context, m *layout.Member, q wire.Place, value []byte) error {
	_, err := p.call(ctx, m, placeTimeout, wire.OpPlace, q.Append(nil), value)
	return err
}

// Value fetches a value of at most wire.MaxInline bytes from an owner. Errors: kv.ErrGone,
// ErrCorrupt, kv.ErrUnavailable.
func (p *Peers) Value(ctx context.Context, m *layout.Member, u uid.UID) (kv.Value, error) {
	b, err := p.call(ctx, m, readTimeout, wire.OpValue, u[:], nil)
	if err != nil {
		return nil, err
	}
	return p.checked(ctx, m, u, b)
}

// List returns a page of the entries whose primary the member is in the layout of the epoch.
func (p *Peers) List(ctx context.Context, m *layout.Member, q *wire.List, epoch uint64) (wire.Page, error) {
	b, err := p.callAt(ctx, m, placeTimeout, wire.OpList, epoch, q.Append(nil))
	if err != nil {
		return wire.Page{}, err
	}
	page, err := wire.ParsePage(b)
	if err != nil {
		return page, malformed(m, wire.OpList, err)
	}
	return page, nil
}

// Refs asks a primary which values the entries of its slots in the layout of the epoch
// refer to: who asks all primaries of one layout must not be answered by another.
func (p *Peers) Refs(ctx context.Context, m *layout.Member, refs []wire.Ref, epoch uint64) ([]int, error) {
	q := wire.Refs{Refs: refs}
	b, err := p.callAt(ctx, m, placeTimeout, wire.OpRefs, epoch, q.Append(nil))
	if err != nil {
		return nil, err
	}
	a, err := wire.ParseAnswers(b)
	if err == nil && len(a.Slots) != len(refs) {
		err = wire.ErrMalformed
	}
	if err != nil {
		return nil, malformed(m, wire.OpRefs, err)
	}
	return a.Slots, nil
}

// Hints tells an owner of values that may have lost their last key.
func (p *Peers) Hints(ctx context.Context, m *layout.Member, uids []uid.UID) error {
	q := wire.UIDs{UIDs: uids}
	_, err := p.call(ctx, m, readTimeout, wire.OpHints, q.Append(nil), nil)
	return err
}

// inlineValue is a value that came in a frame.
type inlineValue struct {
	uid   uid.UID
	bytes []byte
}

func (v *inlineValue) UID() uid.UID { return v.uid }
func (v *inlineValue) Size() int64  { return int64(len(v.bytes)) }
func (v *inlineValue) Close()       {}

func (v *inlineValue) Chunk(off int64) ([]byte, error) { return v.bytes[off:], nil }
