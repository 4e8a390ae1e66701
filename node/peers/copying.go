package peers

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// What a member asks that joins, see node/transfer.

// Entries returns a page of the committed entries of a slot from its primary, and how many
// bytes it took.
func (p *Peers) Entries(ctx context.Context, m *layout.Member, q *wire.SomeEntries) (wire.EntryPage, int64, error) {
	b, err := p.copyCall(ctx, m, question{wire.OpSomeEntries, q}, question{wire.OpEntries, &q.Entries})
	if err != nil {
		return wire.EntryPage{}, 0, err
	}
	page, err := wire.ParseEntryPage(b)
	if err != nil {
		err = malformed(m, wire.OpEntries, err)
	}
	return page, int64(len(b)), err
}

// UIDs returns a page of the values of a slot from an owner that serves, and how many
// bytes it took.
func (p *Peers) UIDs(ctx context.Context, m *layout.Member, q *wire.SomeUIDs) (wire.UIDPage, int64, error) {
	b, err := p.copyCall(ctx, m, question{wire.OpSomeUIDs, q}, question{wire.OpUIDs, &q.UIDsAfter})
	if err != nil {
		return wire.UIDPage{}, 0, err
	}
	page, err := wire.ParseUIDPage(b)
	if err != nil {
		err = malformed(m, wire.OpUIDs, err)
	}
	return page, int64(len(b)), err
}

// question is an operation with what is asked.
type question struct {
	op peer.Op
	q  interface{ Append(b []byte) []byte }
}

// copyCall asks a question, or a member of before its old form.
func (p *Peers) copyCall(ctx context.Context, m *layout.Member, now, before question) ([]byte, error) {
	l := p.link(m)
	if !l.before.Load() {
		b, err := p.call(ctx, m, placeTimeout, now.op, now.q.Append(nil), nil)
		if err == nil || !l.isBefore(err) {
			return b, err
		}
	}
	return p.call(ctx, m, placeTimeout, before.op, before.q.Append(nil), nil)
}

// isBefore tells whether an answer shows that the member does not know what it was asked, and
// remembers that.
func (l *link) isBefore(err error) bool {
	if errors.Is(err, errUnknownOperation) {
		l.before.Store(true)
	}
	return l.before.Load()
}

// Suspect tells an owner that its copy of a value did not match its name.
func (p *Peers) Suspect(ctx context.Context, m *layout.Member, u uid.UID) { p.suspect(ctx, m, u) }

// Fetch fetches whole values from an owner that serves: at most wire.MaxFetchValues, of at
// most `most` bytes together. It calls each for those that came, in order, with a negative
// size where the owner does not have the value; the bytes are each's until it returns, and
// were not checked. It stops at an error of each, which it returns. If it fails on the way,
// each was called for all that came whole. came is how many bytes were sent for it.
func (p *Peers) Fetch(ctx context.Context, m *layout.Member, q *wire.Copy, most int64, each func(u uid.UID, size int64, b []byte) error) (came int64, err error) {
	most += int64(len(q.UIDs)) * wire.FetchHeader
	err = p.observed(func() error {
		return p.bulkCopy(ctx, m, q, func(body *copied) error {
			defer func() { came += body.came() }()
			b, broken := body.whole(most)
			if b == nil {
				return broken
			}
			defer b.free()
			return body.split(b.b, q.UIDs, each, broken)
		})
	})
	return came, err
}

// FetchPart fetches some bytes of a value of total bytes from an owner that serves, and gives
// them to a writer; they were not checked. They are those from q.Offset on, q.Length of them,
// or all, as members of before send no parts. size is that of the owner's copy, negative if it
// has none; if it is not total nothing is written. came is how many bytes were sent for it. It
// stops at an error of the writer, which it returns.
func (p *Peers) FetchPart(ctx context.Context, m *layout.Member, q *wire.Copy, total int64, w io.Writer) (size, came int64, err error) {
	err = p.observed(func() error {
		return p.bulkCopy(ctx, m, q, func(body *copied) (err error) {
			defer func() { came += body.came() }()
			size, err = body.part(q, total, w)
			return err
		})
	})
	return size, came, err
}

func (p *Peers) observed(fetch func() error) error {
	start := time.Now()
	err := fetch()
	p.opt.Observer.PeerCall(opName(wire.OpFetch), err, time.Since(start))
	return err
}

// bulkCopy asks for values and has the body of the reply taken in.
func (p *Peers) bulkCopy(ctx context.Context, m *layout.Member, q *wire.Copy, take func(*copied) error) error {
	l := p.link(m)
	if !l.before.Load() {
		err := p.bulkAsk(ctx, l, wire.OpCopy, q.Append(nil), take)
		if err == nil || !l.isBefore(err) {
			return err
		}
	}
	before := wire.UIDs{UIDs: q.UIDs}
	return p.bulkAsk(ctx, l, wire.OpFetch, before.Append(nil), take)
}

func (p *Peers) bulkAsk(ctx context.Context, l *link, op peer.Op, payload []byte, take func(*copied) error) error {
	r, bulk, body, err := p.exchange(ctx, l, op, payload, nil)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, bulk.Close)
	if err = p.outcome(ctx, l.member, r); err == nil {
		err = take(&copied{m: l.member, body: body, size: body.N, formed: op == wire.OpCopy})
	}
	if stop() {
		l.giveBulk(bulk) // which closes it unless all was read
	} else {
		l.dropBulk(bulk)
	}
	return err
}
