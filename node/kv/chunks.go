package kv

import "io"

// Chunked is bytes that are at hand in pieces.
type Chunked interface {
	// Size is how many bytes there are.
	Size() int64
	// Chunk returns bytes from off on, at least one if off is below Size, in a slice
	// that may end before they do. It must not be changed.
	Chunk(off int64) ([]byte, error)
}

// WriteChunks writes all of c to w.
func WriteChunks(w io.Writer, c Chunked) error {
	for off := int64(0); off < c.Size(); {
		b, err := c.Chunk(off)
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// Whole returns all of c, which is small, in one slice: its own if it has but one.
func Whole(c Chunked) ([]byte, error) {
	n := c.Size()
	if n == 0 {
		return nil, nil
	}
	b, err := c.Chunk(0)
	if err != nil || int64(len(b)) == n {
		return b, err
	}
	out := append(make([]byte, 0, n), b...)
	for int64(len(out)) < n {
		if b, err = c.Chunk(int64(len(out))); err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}
