package peers

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// What a member asks that joins, see node/transfer.

// Entries returns a page of the committed entries of a slot from its primary.
func (p *Peers) Entries(ctx context.Context, m *layout.Member, slot uint8, after string) (wire.EntryPage, error) {
	q := wire.Entries{Slot: slot, After: after}
	b, err := p.call(ctx, m, placeTimeout, wire.OpEntries, q.Append(nil), nil)
	if err != nil {
		return wire.EntryPage{}, err
	}
	page, err := wire.ParseEntryPage(b)
	if err != nil {
		return page, malformed(m, wire.OpEntries, err)
	}
	return page, nil
}

// UIDs returns a page of the values of a slot from an owner that serves.
func (p *Peers) UIDs(ctx context.Context, m *layout.Member, slot uint8, after uid.UID) (wire.UIDPage, error) {
	q := wire.UIDsAfter{Slot: slot, After: after}
	b, err := p.call(ctx, m, placeTimeout, wire.OpUIDs, q.Append(nil), nil)
	if err != nil {
		return wire.UIDPage{}, err
	}
	page, err := wire.ParseUIDPage(b)
	if err != nil {
		return page, malformed(m, wire.OpUIDs, err)
	}
	return page, nil
}

// Suspect tells an owner that its copy of a value did not match its name.
func (p *Peers) Suspect(ctx context.Context, m *layout.Member, u uid.UID) { p.suspect(ctx, m, u) }

// Fetch fetches many values from an owner that serves: at most wire.MaxFetchValues, of at
// most wire.MaxFetch bytes together unless it is one alone. It calls each for all of them
// in order, with a negative size where the owner does not have the value. The bytes are
// not checked; what each leaves unread is skipped. It stops at an error of each, which it
// returns.
func (p *Peers) Fetch(ctx context.Context, m *layout.Member, uids []uid.UID, each func(u uid.UID, size int64, r io.Reader) error) error {
	start := time.Now()
	err := p.fetch(ctx, m, uids, each)
	p.opt.Observer.PeerCall(opName(wire.OpFetch), err, time.Since(start))
	return err
}

func (p *Peers) fetch(ctx context.Context, m *layout.Member, uids []uid.UID, each func(u uid.UID, size int64, r io.Reader) error) error {
	l := p.link(m)
	q := wire.UIDs{UIDs: uids}
	r, bulk, body, err := p.exchange(ctx, l, wire.OpFetch, q.Append(nil), nil)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, bulk.Close)
	if err = p.outcome(ctx, m, r); err == nil {
		f := fetched{r: body}
		if err = f.all(uids, each); f.err != nil {
			err = failed(m, wire.OpFetch, f.err)
		}
	}
	if stop() {
		l.giveBulk(bulk) // which closes it unless all was read
	} else {
		bulk.Close()
	}
	return err
}

// fetched reads the values of one reply.
type fetched struct {
	r    io.Reader
	left int64 // bytes of the value that is being read
	err  error // why the reply cannot be read on
}

func (f *fetched) all(uids []uid.UID, each func(u uid.UID, size int64, r io.Reader) error) error {
	for _, u := range uids {
		var header [wire.FetchHeader]byte
		if _, err := io.ReadFull(f.r, header[:]); err != nil {
			return f.fail(err)
		}
		n := binary.BigEndian.Uint64(header[:])
		size := int64(n)
		switch {
		case n == wire.FetchGone:
			size, f.left = -1, 0
		case size < 0:
			return f.fail(fmt.Errorf("%w: a value of %d bytes", wire.ErrMalformed, n))
		default:
			f.left = size
		}
		if err := each(u, size, f); err != nil {
			return err
		}
		if f.left > 0 {
			if _, err := io.Copy(io.Discard, f); err != nil {
				return err
			}
		}
	}
	switch n, err := f.r.Read(make([]byte, 1)); {
	case n > 0:
		return f.fail(fmt.Errorf("%w: more than the values", wire.ErrMalformed))
	case err != io.EOF:
		return f.fail(err)
	}
	return nil
}

func (f *fetched) fail(err error) error {
	f.err = err
	return err
}

// Read reads the bytes of one value.
func (f *fetched) Read(b []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n, err := f.r.Read(b[:min(int64(len(b)), f.left)])
	f.left -= int64(n)
	if err == io.EOF && f.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && f.left > 0 {
		return n, f.fail(err)
	}
	return n, nil
}
