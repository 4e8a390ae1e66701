package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// PlaceBody hands an owner a value of any size on a connection of its own.
func (p *Peers) PlaceBody(ctx context.Context, m *layout.Member, q wire.Place, body kv.Chunked) error {
	start := time.Now()
	l := p.link(m)
	r, bulk, _, err := p.exchange(ctx, l, wire.OpPlace, q.Append(nil), body)
	if err == nil {
		l.giveBulk(bulk)
		err = p.outcome(ctx, m, r)
	}
	p.opt.Observer.PeerCall("place", err, time.Since(start))
	return err
}

func (p *Peers) outcome(ctx context.Context, m *layout.Member, r peer.Reply) error {
	switch r.Code {
	case peer.CodeOK:
		return nil
	case peer.CodeNeedLayout:
		return p.push(ctx, m)
	case peer.CodeStale:
		return p.adopt(r.Payload)
	}
	return refused(m, r)
}

// push brings a member the newest layout; the request that needed it starts again.
func (p *Peers) push(ctx context.Context, m *layout.Member) error {
	c, err := p.link(m).connect()
	if err == nil {
		_, err = peer.PushLayout(ctx, c, p.state.Table().Layout)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", kv.ErrUnavailable, err)
	}
	return ErrMoved
}

// exchange asks on a bulk connection. Whoever calls it gives the connection back.
// A kept connection may have been closed by the other side meanwhile: then once more.
func (p *Peers) exchange(ctx context.Context, l *link, op peer.Op, payload []byte, body kv.Chunked) (peer.Reply, *peer.Bulk, *io.LimitedReader, error) {
	var size int64
	if body != nil {
		size = body.Size()
	}
	for fresh := false; ; fresh = true {
		bulk, err := l.takeBulk(ctx, fresh)
		if err != nil {
			return peer.Reply{}, nil, nil, p.left(l.member, failed(l.member, op, err))
		}
		r, n, reader, err := bulk.Exchange(ctx, op, p.state.Epoch(), payload, size, func(w io.Writer) error {
			return kv.WriteChunks(w, body)
		})
		if err == nil {
			return r, bulk, &io.LimitedReader{R: reader, N: n}, nil
		}
		l.dropBulk(bulk)
		// All operations on bulk connections are idempotent.
		if fresh || !errors.Is(err, peer.ErrBroken) || ctx.Err() != nil {
			return peer.Reply{}, nil, nil, p.left(l.member, failed(l.member, op, err))
		}
	}
}

// FetchBody fetches a value of any size from an owner. The whole value is taken in and
// checked before any of it is given out, if it finds room among what passes through
// this node; else it is given out as it comes, its end only once all was checked.
// Errors: kv.ErrGone, ErrCorrupt, kv.ErrUnavailable.
func (p *Peers) FetchBody(ctx context.Context, m *layout.Member, u uid.UID, size int64) (kv.Value, error) {
	start := time.Now()
	v, err := p.fetchBody(ctx, m, u, size)
	p.opt.Observer.PeerCall("value", err, time.Since(start))
	return v, err
}

func (p *Peers) fetchBody(ctx context.Context, m *layout.Member, u uid.UID, size int64) (kv.Value, error) {
	l := p.link(m)
	staged, err := p.opt.Store.StageTransit(size)
	if err != nil && !errors.Is(err, kv.ErrNoMemory) {
		return nil, err
	}
	// What is asked is only looked up: another owner is not kept waiting for the answer. The
	// body may then take long.
	asking, cancel := context.WithTimeout(ctx, readTimeout)
	r, bulk, body, err := p.exchange(asking, l, wire.OpValue, u[:], nil)
	cancel()
	if err == nil {
		err = p.outcome(ctx, m, r)
		if err != nil {
			l.giveBulk(bulk)
		}
	}
	if err != nil {
		if staged != nil {
			staged.Discard()
		}
		return nil, err
	}
	if staged == nil {
		return newPassing(p, l, bulk, body, u, size), nil
	}
	sum := p.opt.Secret.Hash()
	defer sum.Close()
	_, err = staged.ReadFrom(io.TeeReader(body, sum))
	l.giveBulk(bulk)
	if errors.Is(err, store.ErrSize) || err == nil && sum.UID() != u {
		p.suspect(ctx, m, u)
		err = fmt.Errorf("%w: %s at %s", ErrCorrupt, u, m.Name)
	} else if err != nil {
		err = p.left(m, failed(m, wire.OpValue, err))
	}
	if err != nil {
		staged.Discard()
		return nil, err
	}
	return &stagedValue{Staged: staged, uid: u}, nil
}

// stagedValue is a value that was taken in whole and checked.
type stagedValue struct {
	*store.Staged
	uid uid.UID
}

func (v *stagedValue) UID() uid.UID { return v.uid }
func (v *stagedValue) Close()       { v.Discard() }
