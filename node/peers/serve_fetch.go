package peers

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// copyOf reads what values are asked for. Nodes of before ask for whole ones, in plain form.
func copyOf(r *peer.BodyRequest) (q wire.Copy, err error) {
	if r.Op == wire.OpFetch {
		var m wire.UIDs
		m, err = wire.ParseUIDs(r.Payload)
		q.UIDs = m.UIDs
	} else {
		q, err = wire.ParseCopy(r.Payload)
	}
	if err == nil && len(q.UIDs) > wire.MaxFetchValues {
		err = fmt.Errorf("%w: %d values at once", wire.ErrMalformed, len(q.UIDs))
	}
	return q, err
}

// fetch answers with many values in one body, or with a part of one.
func (s *Service) fetch(r *peer.BodyRequest) (done bool, err error) {
	q, err := copyOf(r)
	if err == nil {
		err = s.servesAll(r.Epoch, q.UIDs)
	}
	if err != nil {
		return false, err
	}
	defer s.enter()()
	values, err := s.open(&q)
	defer values.close()
	if err != nil {
		return false, err
	}
	if values.size > wire.MaxFetch && len(values.all) > 1 {
		return false, fmt.Errorf("%w: %d bytes at once", wire.ErrMalformed, values.size)
	}
	if err := s.servesAll(r.Epoch, q.UIDs); err != nil { // as in uids
		return false, err
	}
	form, plain := []byte(nil), values.size
	if r.Op == wire.OpCopy {
		if packed := values.packed(q.Forms); packed != nil {
			defer packed.free()
			values.close()
			_ = r.Reply(peer.CodeOK, nil, int64(len(packed.b)), func(w io.Writer) error { _, err := w.Write(packed.b); return err }) // as below
			return true, nil
		}
		form, plain = []byte{byte(wire.FormPlain)}, plain+1
	}
	_ = r.Reply(peer.CodeOK, nil, plain, func(w io.Writer) error { // its failure ends the connection
		if _, err := w.Write(form); err != nil {
			return err
		}
		return values.write(w)
	})
	return true, nil
}

// fetched are the values of one answer, held while it is sent from the memory where they are.
type fetched struct {
	all  []*store.Value // nil: it is not here
	from int64          // of the only one
	to   int64          // 0: to its end
	size int64          // of what write writes
}

// open gets hold of values. Of one that is being healed here it is not said that it is gone.
func (s *Service) open(q *wire.Copy) (*fetched, error) {
	f := &fetched{all: make([]*store.Value, len(q.UIDs)), from: q.Offset}
	if q.Length > 0 {
		f.to = q.Offset + q.Length
	}
	for i, u := range q.UIDs {
		f.size += wire.FetchHeader
		whole := s.Owner.Healing.Watch(u.Slot())
		if v := s.Owner.Value(u); v != nil {
			f.all[i] = v
			from, to := f.span(v)
			f.size += to - from
		} else if !whole() {
			return f, errHealing(u.Slot())
		}
	}
	return f, nil
}

func (f *fetched) close() {
	for _, v := range f.all {
		if v != nil {
			v.Close()
		}
	}
	f.all = nil
}

// span is which bytes of a value are wanted.
func (f *fetched) span(v *store.Value) (from, to int64) {
	from, to = min(f.from, v.Size()), v.Size()
	if f.to > 0 {
		to = min(f.to, to)
	}
	return from, to
}

func (f *fetched) write(w io.Writer) error {
	header := make([]byte, wire.FetchHeader)
	for _, v := range f.all {
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
		if err := f.writeBytes(w, v); err != nil {
			return err
		}
	}
	return nil
}

func (f *fetched) writeBytes(w io.Writer, v *store.Value) error {
	for off, to := f.span(v); off < to; {
		b, err := v.Chunk(off)
		if err != nil {
			return err
		}
		b = b[:min(int64(len(b)), to-off)]
		if _, err := w.Write(b); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}
