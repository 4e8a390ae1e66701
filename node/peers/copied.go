package peers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// copied is the body of a reply with values, on its way. Who sent it may be broken: no more is
// kept of it than was asked for.
type copied struct {
	m      *layout.Member
	body   *io.LimitedReader
	size   int64
	formed bool // it begins with a Form
}

// came is how many bytes were read.
func (c *copied) came() int64 { return c.size - c.body.N }

func (c *copied) failed(err error) error { return failed(c.m, wire.OpFetch, err) }

func (c *copied) malformed(format string, args ...any) error {
	return c.failed(fmt.Errorf("%w: %s", wire.ErrMalformed, fmt.Sprintf(format, args...)))
}

// form reads the form and leaves what is in it, which may have most bytes.
func (c *copied) form(most int64) (wire.Form, error) {
	if !c.formed {
		return wire.FormPlain, nil
	}
	var form [1]byte
	if _, err := io.ReadFull(c.body, form[:]); err != nil {
		return 0, c.failed(err)
	}
	if f := wire.Form(form[0]); f != wire.FormPlain && f != wire.FormS2 {
		return 0, c.malformed("form %d", f)
	}
	if c.body.N > most {
		return 0, c.malformed("%d bytes instead of %d", c.body.N, most)
	}
	return wire.Form(form[0]), nil
}

// whole reads all of it, in its plain form: at most so many bytes. With an error it returns what
// came before, or nil.
func (c *copied) whole(most int64) (*buffer, error) {
	form, err := c.form(most)
	if err == nil && c.body.N > most {
		err = c.malformed("%d bytes instead of %d", c.body.N, most)
	}
	if err != nil {
		return nil, err
	}
	b := newBuffer(int(c.body.N))
	n, err := io.ReadFull(c.body, b.b)
	if b.b = b.b[:n]; err != nil {
		err = c.failed(err)
	}
	if form == wire.FormPlain {
		return b, err
	}
	defer b.free()
	if err != nil {
		return nil, err
	}
	plain, err := unpacked(b.b, most)
	if err != nil {
		return nil, c.failed(err)
	}
	return plain, nil
}

// split calls each for all the values whose bytes are there; broken is why there are no more.
func (c *copied) split(b []byte, uids []uid.UID, each func(u uid.UID, size int64, b []byte) error, broken error) error {
	for _, u := range uids {
		var value []byte
		size, rest, err := c.header(b)
		if err == nil && size > int64(len(rest)) {
			err = c.failed(io.ErrUnexpectedEOF)
		}
		if err != nil {
			if broken != nil {
				err = broken
			}
			return err
		}
		if value = rest; size >= 0 {
			value, rest = rest[:size:size], rest[size:]
		}
		if err := each(u, size, value); err != nil {
			return err
		}
		b = rest
	}
	if broken == nil && len(b) > 0 {
		return c.malformed("more than the values")
	}
	return broken
}

// header reads the length of a value, negative if it is gone.
func (c *copied) header(b []byte) (size int64, rest []byte, err error) {
	if len(b) < wire.FetchHeader {
		return 0, nil, c.failed(io.ErrUnexpectedEOF)
	}
	n, rest := binary.BigEndian.Uint64(b), b[wire.FetchHeader:]
	switch {
	case n == wire.FetchGone:
		return -1, rest, nil
	case n > math.MaxInt64:
		return 0, nil, c.malformed("a value of %d bytes", n)
	}
	return int64(n), rest, nil
}

// part gives the bytes of a part to a writer, see Peers.FetchPart.
func (c *copied) part(q *wire.Copy, total int64, w io.Writer) (size int64, err error) {
	most := min(q.Length, total-q.Offset) + wire.FetchHeader
	form, err := c.form(most)
	if err != nil {
		return 0, err
	}
	r := c.body
	if form == wire.FormS2 {
		b, err := c.unpackPart(most)
		if err != nil {
			return 0, err
		}
		defer b.free()
		r = &io.LimitedReader{R: bytes.NewReader(b.b), N: int64(len(b.b))}
	}
	var header [wire.FetchHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, c.failed(err)
	}
	if size, _, err = c.header(header[:]); err != nil || size != total {
		return size, err
	}
	want, skip := most-wire.FetchHeader, int64(0)
	if !c.formed {
		want, skip = total, q.Offset
	}
	if r.N != want {
		return 0, c.malformed("%d bytes instead of %d", r.N, want)
	}
	if _, err := io.CopyN(io.Discard, r, skip); err != nil {
		return 0, c.failed(err)
	}
	return size, c.pass(r, w)
}

func (c *copied) unpackPart(most int64) (*buffer, error) {
	block := newBuffer(int(c.body.N))
	defer block.free()
	if _, err := io.ReadFull(c.body, block.b); err != nil {
		return nil, c.failed(err)
	}
	b, err := unpacked(block.b, most)
	if err != nil {
		return nil, c.failed(err)
	}
	return b, nil
}

// passPiece is how many bytes are passed on at a time.
const passPiece = 64 << 10

// pass gives a writer all that a reader has.
func (c *copied) pass(r *io.LimitedReader, w io.Writer) error {
	b := newBuffer(passPiece)
	defer b.free()
	for r.N > 0 {
		n, err := r.Read(b.b)
		if n > 0 {
			if _, err := w.Write(b.b[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && r.N > 0 {
			return c.failed(err)
		}
	}
	return nil
}
