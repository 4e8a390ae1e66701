package rest

import (
	"fmt"
	"io"
	"sync"

	"github.com/eiri/seppen/node/kv"
)

// piece is how many bytes a client must send within one BodyTimeout, and sendPiece how
// many it must take within sendTimeouts of them: fewer, larger writes wake both sides
// less often.
const (
	piece        = 64 << 10
	sendPiece    = 1 << 20
	sendTimeouts = 2
)

// bodyReader reads a request's body under the limit for values, and moves the
// deadline with each piece but the first, which has the server's.
type bodyReader struct {
	a      *answer
	n      int64 // bytes read
	window int   // bytes left of the piece that the deadline is for
	over   bool  // nothing more is to be had from the body
	err    error // what ended the body, if not its end
}

func (b *bodyReader) init(a *answer) { *b = bodyReader{a: a, window: piece} }

func (b *bodyReader) Read(p []byte) (int, error) {
	if b.window == 0 {
		b.a.extendRead()
		b.window = piece
	}
	limit := b.a.h.opt.MaxValue
	// One byte more than the limit tells a value that is too large from one that
	// just fits.
	p = p[:min(int64(len(p)), int64(b.window), limit-b.n+1)]
	n, err := b.a.r.Body.Read(p)
	b.n += int64(n)
	b.window -= n
	if b.n > limit {
		b.err = kv.ErrTooLarge
		return 0, b.err
	}
	if err != nil {
		b.over = true
		if err != io.EOF {
			b.err = err
		}
	}
	return n, err
}

// copyTo reads the whole body into the value. An error is the client's if err is set.
func (b *bodyReader) copyTo(body kv.Body) error {
	if from, ok := body.(io.ReaderFrom); ok {
		if _, err := from.ReadFrom(b); err != nil {
			return err
		}
		if !b.over {
			return fmt.Errorf("body of %d bytes was read to byte %d", b.a.r.ContentLength, b.n)
		}
		return b.err
	}
	size := b.a.r.ContentLength
	if size == 0 {
		b.over = true
		return nil
	}
	buffers := &large
	if 0 < size && size <= smallSize {
		buffers = &small
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	return b.copyBuffer(body, *buf)
}

// copyBuffer fills the buffer before it writes, so that a client that sends byte by
// byte does not make the value one of many small pieces.
func (b *bodyReader) copyBuffer(body io.Writer, buf []byte) error {
	for {
		n := 0
		var err error
		for n < len(buf) && err == nil {
			var m int
			m, err = b.Read(buf[n:])
			n += m
		}
		if b.err != nil {
			return b.err
		}
		if n > 0 {
			if _, err := body.Write(buf[:n]); err != nil {
				return err
			}
		}
		if b.over {
			return nil
		}
	}
}

// Most values are small; a buffer of the large size for each would be much memory
// for many slow clients.
const smallSize = 4 << 10

var (
	small = bufferPool(smallSize)
	large = bufferPool(piece)
)

func bufferPool(size int) sync.Pool {
	return sync.Pool{New: func() any { b := make([]byte, size); return &b }}
}

// discard reads what is left of a body, until its deadline.
func discard(r io.Reader) {
	io.Copy(io.Discard, r) //nolint:errcheck // whatever ended it, it ended
}
