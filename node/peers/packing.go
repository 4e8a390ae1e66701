package peers

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/eiri/seppen/node/wire"
)

const (
	// sample is how many bytes of a body are compressed to see whether it pays.
	sample = 16 << 10
	// worth is which part of it compression must save at least.
	worth = 8
)

// buffer is memory for one body, used again and again.
type buffer struct{ b []byte }

var bufferPool = sync.Pool{New: func() any { return new(buffer) }}

// newBuffer returns a buffer of so many bytes, which hold anything.
func newBuffer(size int) *buffer {
	p := bufferPool.Get().(*buffer)
	if cap(p.b) < size {
		p.b = make([]byte, size)
	}
	p.b = p.b[:size]
	return p
}

func (p *buffer) free() { bufferPool.Put(p) }

// packed is the values' body in a form other than the plain one; nil if none is understood, or
// none pays.
func (f *fetched) packed(forms wire.Form) *buffer {
	if forms&wire.FormS2 == 0 || f.size > wire.MaxCompressed || !f.shrinks() {
		return nil
	}
	plain := newBuffer(int(f.size))
	defer plain.free()
	if err := f.write(&filling{b: plain.b}); err != nil {
		return nil // it fails in its plain form too, which tells
	}
	// The block is written behind the form.
	out := newBuffer(1 + s2.MaxEncodedLen(len(plain.b)))
	block := s2.Encode(out.b[1:], plain.b)
	if !pays(len(block), len(plain.b)) {
		out.free()
		return nil
	}
	out.b[0] = byte(wire.FormS2)
	out.b = out.b[:1+len(block)]
	return out
}

// shrinks tells whether the beginning of the body does.
func (f *fetched) shrinks() bool {
	first, block := newBuffer(sample), newBuffer(s2.MaxEncodedLen(sample))
	defer first.free()
	defer block.free()
	some := filling{b: first.b}
	_ = f.write(&some) // it fails where the sample is full
	n := len(first.b) - len(some.b)
	return pays(len(s2.Encode(block.b, first.b[:n])), n)
}

func pays(after, before int) bool { return after <= before-before/worth }

// unpacked returns what a block of S2 holds: at most so many bytes, whatever it says.
func unpacked(block []byte, most int64) (*buffer, error) {
	n, err := s2.DecodedLen(block)
	if err == nil && int64(n) > min(most, wire.MaxCompressed) {
		err = fmt.Errorf("%w: a block of %d bytes", wire.ErrMalformed, n)
	}
	if err != nil {
		return nil, err
	}
	out := newBuffer(n)
	if _, err := s2.Decode(out.b, block); err != nil {
		out.free()
		return nil, err
	}
	return out, nil
}

// filling writes into memory that is there, until it is full.
type filling struct{ b []byte }

func (f *filling) Write(p []byte) (int, error) {
	n := copy(f.b, p)
	f.b = f.b[n:]
	if n < len(p) {
		return n, bytes.ErrTooLarge
	}
	return n, nil
}
