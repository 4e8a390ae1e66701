package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// A body's length stands in front of the payload of its frame; the bytes follow it.
const lengthSize = 8

// progress bounds how long one piece of a body may take, so that a large body may
// take long but a stuck one does not.
const (
	progress = 5 * time.Second
	piece    = 64 << 10
)

// Bulk carries one body at a time. It is not safe for concurrent use.
type Bulk struct {
	nc     net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	body   *io.LimitedReader // of the last reply
	broken bool
}

// DialBulk opens a connection for bodies.
func (d *Dialer) DialBulk(ctx context.Context, address string, want layout.ID) (*Bulk, error) {
	nc, _, err := d.dial(ctx, address, want, Bodies)
	if err != nil {
		return nil, err
	}
	return &Bulk{nc: nc, r: bufio.NewReaderSize(nc, piece), w: bufio.NewWriterSize(nc, piece)}, nil
}

// Close gives the connection up.
func (b *Bulk) Close() { b.nc.Close() }

// Reusable tells whether another Exchange may follow: nothing broke and the last
// reply's body was read to its end.
func (b *Bulk) Reusable() bool { return !b.broken && (b.body == nil || b.body.N == 0) }

// Exchange sends a request with a body of size bytes, which send writes, and
// returns the reply, its body's length and a reader of it. Errors wrap ErrBroken or
// are send's own.
func (b *Bulk) Exchange(ctx context.Context, op Op, epoch uint64, payload []byte, size int64, send func(io.Writer) error) (Reply, int64, io.Reader, error) {
	stop := closeOnDone(ctx, b.nc)
	defer func() {
		if !stop() {
			b.broken = true // closed, or about to be, even if all went well
		}
	}()
	b.body = nil
	if err := b.exchange(op, epoch, payload, size, send); err != nil {
		b.broken = true
		return Reply{}, 0, nil, err
	}
	h, payload, n, err := readBodyFrame(b.r, b.nc)
	if err == nil && !h.reply {
		err = ErrFrame
	}
	if err != nil {
		b.broken = true
		return Reply{}, 0, nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	b.body = &io.LimitedReader{R: pacedReader{b.r, b.nc}, N: n}
	return Reply{Code: Code(h.word), Payload: payload}, n, b.body, nil
}

func (b *Bulk) exchange(op Op, epoch uint64, payload []byte, size int64, send func(io.Writer) error) error {
	if err := writeBodyFrame(b.w, b.nc, header{word: uint8(op), stamp: epoch}, payload, size); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if size > 0 {
		w := &pacedWriter{w: b.w, nc: b.nc, left: size}
		if err := send(w); err != nil {
			return err
		}
		if w.left != 0 {
			return fmt.Errorf("%w: body of %d bytes is %d short", ErrFrame, size, w.left)
		}
	}
	if err := flushBody(b.w, b.nc); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return nil
}

// BodyRequest is a request on a Bulk connection.
type BodyRequest struct {
	Op      Op
	Epoch   uint64
	From    Hello
	Payload []byte
	Size    int64     // of the body
	Body    io.Reader // of Size bytes

	w          *bufio.Writer
	nc         net.Conn
	background *bool // of the connection
	replied    bool
	err        error
}

// Reply answers with a code and, if size is above 0, a body that send writes.
func (r *BodyRequest) Reply(code Code, payload []byte, size int64, send func(io.Writer) error) error {
	r.replied = true
	r.err = writeBodyFrame(r.w, r.nc, header{word: uint8(code), reply: true, stamp: Clock()}, payload, size)
	if r.err == nil && size > 0 {
		w := &pacedWriter{w: r.w, nc: r.nc, left: size}
		if r.err = send(w); r.err == nil && w.left != 0 {
			r.err = fmt.Errorf("%w: body of %d bytes is %d short", ErrFrame, size, w.left)
		}
	}
	if r.err == nil {
		r.err = flushBody(r.w, r.nc)
	}
	return r.err
}

// bodies answers requests with bodies until the connection ends.
func (s *Server) bodies(nc net.Conn, from Hello) error {
	r, w, background := bufio.NewReaderSize(nc, piece), bufio.NewWriterSize(nc, piece), false
	for {
		if err := nc.SetReadDeadline(time.Time{}); err != nil { // between requests there is no hurry
			return err
		}
		if _, err := r.Peek(1); err != nil {
			return err
		}
		h, payload, size, err := readBodyFrame(r, nc)
		if err != nil {
			return err
		}
		if h.reply {
			return ErrFrame
		}
		body := &io.LimitedReader{R: pacedReader{r, nc}, N: size}
		req := &BodyRequest{
			Op: Op(h.word), Epoch: h.stamp, From: from, Payload: payload, Size: size, Body: body,
			w: w, nc: nc, background: &background,
		}
		s.Bodies(req)
		if !req.replied {
			return errors.Join(ErrFrame, errors.New("a request was left without a reply"))
		}
		if req.err != nil {
			return req.err
		}
		// What was refused is still on its way: read it away, so that the next request
		// is found.
		if _, err := io.Copy(io.Discard, body); err != nil {
			return err
		}
		if body.N != 0 {
			return io.ErrUnexpectedEOF
		}
	}
}

func writeBodyFrame(w *bufio.Writer, nc net.Conn, h header, payload []byte, size int64) error {
	if len(payload)+lengthSize > MaxPayload {
		return fmt.Errorf("%w: payload of %d bytes", ErrFrame, len(payload))
	}
	if err := nc.SetWriteDeadline(time.Now().Add(progress)); err != nil {
		return err
	}
	h.size = uint32(len(payload) + lengthSize)
	b := h.append(make([]byte, 0, headerSize+lengthSize))
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	if _, err := w.Write(b); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

func flushBody(w *bufio.Writer, nc net.Conn) error {
	if err := nc.SetWriteDeadline(time.Now().Add(progress)); err != nil {
		return err
	}
	return w.Flush()
}

func readBodyFrame(r *bufio.Reader, nc net.Conn) (h header, payload []byte, size int64, err error) {
	// The one who asks waits here while the other side does the work.
	if err := nc.SetReadDeadline(time.Now().Add(2 * progress)); err != nil {
		return h, nil, 0, err
	}
	if h, err = readHeader(r); err != nil {
		return h, nil, 0, err
	}
	if h.size < lengthSize {
		return h, nil, 0, fmt.Errorf("%w: no body length", ErrFrame)
	}
	payload = make([]byte, h.size)
	if _, err := io.ReadFull(r, payload); err != nil {
		return h, nil, 0, err
	}
	n := binary.BigEndian.Uint64(payload)
	if n > 1<<62 {
		return h, nil, 0, fmt.Errorf("%w: body of %d bytes", ErrFrame, n)
	}
	return h, payload[lengthSize:], int64(n), nil
}

// pacedReader gives each piece that is still to come its own deadline.
type pacedReader struct {
	r  *bufio.Reader
	nc net.Conn
}

func (p pacedReader) Read(b []byte) (int, error) {
	if p.r.Buffered() == 0 {
		if err := p.nc.SetReadDeadline(time.Now().Add(progress)); err != nil {
			return 0, err
		}
	}
	return p.r.Read(b)
}

// pacedWriter gives each piece that leaves its own deadline and holds the body to its
// length.
type pacedWriter struct {
	w    *bufio.Writer
	nc   net.Conn
	left int64
}

func (p *pacedWriter) Write(b []byte) (int, error) {
	if int64(len(b)) > p.left {
		return 0, fmt.Errorf("%w: body longer than announced", ErrFrame)
	}
	done := 0
	for done < len(b) {
		next := b[done:min(done+piece, len(b))]
		if p.w.Available() < len(next) {
			if err := p.nc.SetWriteDeadline(time.Now().Add(progress)); err != nil {
				return done, err
			}
		}
		n, err := p.w.Write(next)
		done += n
		p.left -= int64(n)
		if err != nil {
			return done, fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
	return done, nil
}
