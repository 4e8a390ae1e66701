package store

import (
	"errors"
	"io"

	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

// ErrSize is returned when a body is longer than was announced.
var ErrSize = errors.New("body is longer than announced")

// Staged is a value that is being received: it has memory but no uid. It is for one
// goroutine, except that Chunk may be called by many while nobody writes. It ends
// with Discard, or with Store.Install.
type Staged struct {
	store *Store
	mem   *arena.Arena
	// With a known size all memory is taken at the start, in its final shape.
	ref arena.Ref
	sh  shape // of the size that was announced
	// With an unknown size whole blocks are taken as they are needed.
	blocks []arena.Ref
	size   int64 // written so far
	closed bool
}

var _ kv.Body = (*Staged)(nil)

// Stage takes memory for a value of size bytes; -1 if the size is not known, when the
// memory is taken as it is written. It fails with kv.ErrNoMemory if the value does
// not fit below the limit.
func (s *Store) Stage(size int64) (*Staged, error) { return s.stage(s.mem, size) }

// StageTransit is Stage for a value that only passes through. It counts against
// Options.Transit and cannot be installed.
func (s *Store) StageTransit(size int64) (*Staged, error) { return s.stage(s.transit, size) }

func (s *Store) stage(mem *arena.Arena, size int64) (*Staged, error) {
	st := &Staged{store: s, mem: mem}
	if size < 0 {
		return st, nil
	}
	err := st.admit(func() (ok bool) {
		st.ref, ok = newHead(mem, size, nil, arena.Limited)
		return ok
	})
	if err != nil {
		return nil, err
	}
	st.sh = shapeOf(size)
	return st, nil
}

// admit tries to allocate, and once more after making whole pages of sparse ones.
func (st *Staged) admit(alloc func() bool) error {
	if alloc() {
		return nil
	}
	if st.mem == st.store.mem && st.store.makeRoom() && alloc() {
		return nil
	}
	return kv.ErrNoMemory
}

// Size is how many bytes were written.
func (st *Staged) Size() int64 { return st.size }

// Write adds bytes. It fails with kv.ErrNoMemory, or with ErrSize beyond the size
// that was announced; what was written before stays.
func (st *Staged) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		room, err := st.room()
		if err != nil {
			return done, err
		}
		n := copy(room, p[done:])
		st.size += int64(n)
		done += n
	}
	return done, nil
}

// ReadFrom adds what r has until io.EOF. r writes into the value's own memory.
func (st *Staged) ReadFrom(r io.Reader) (int64, error) {
	var done int64
	var beyond [1]byte
	for {
		room, err := st.room()
		if errors.Is(err, ErrSize) {
			room, err = beyond[:], nil // the end must come now
		}
		if err != nil {
			return done, err
		}
		n, err := r.Read(room)
		if n > 0 && &room[0] == &beyond[0] {
			return done, ErrSize
		}
		st.size += int64(n)
		done += int64(n)
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, err
		}
	}
}

// room is the next free bytes, at least one.
func (st *Staged) room() ([]byte, error) {
	if st.ref != 0 {
		if st.size == st.sh.size {
			return nil, ErrSize
		}
		return head(st.mem.Cell(st.ref)).span(st.mem, &st.sh, st.size)
	}
	if st.size == int64(len(st.blocks))*blockSize {
		err := st.admit(func() bool {
			more, ok := st.mem.Blocks(1, arena.Limited)
			st.blocks = append(st.blocks, more...)
			return ok
		})
		if err != nil {
			return nil, err
		}
	}
	return st.block(st.size), nil
}

// block is the bytes of a block from off of the value on.
func (st *Staged) block(off int64) []byte {
	return st.mem.Cell(st.blocks[off/blockSize])[off%blockSize:]
}

// Chunk returns bytes that were written, from off on, at least one, in a slice that
// may end before they do. They are valid until the Staged ends. The error is io.EOF
// if off is not below Size.
func (st *Staged) Chunk(off int64) ([]byte, error) {
	if off < 0 || off >= st.size {
		return nil, io.EOF
	}
	var b []byte
	if st.ref == 0 {
		b = st.block(off)
	} else {
		b, _ = head(st.mem.Cell(st.ref)).span(st.mem, &st.sh, off)
	}
	return b[:min(int64(len(b)), st.size-off)], nil
}

// Discard frees the memory. It does nothing when called again, or after Install.
func (st *Staged) Discard() {
	if st.closed {
		return
	}
	st.closed = true
	if st.ref != 0 {
		freeValue(st.mem, st.ref, 0)
	}
	if len(st.blocks) > 0 {
		st.mem.FreeBlocks(st.blocks)
	}
}

// seal gives the bytes their final shape and returns the value's head. Of a large
// body only what follows the last whole block is copied. The memory was admitted, so
// a few KiB more for a moment are not asked for again.
func (st *Staged) seal() arena.Ref {
	st.closed = true
	if st.ref != 0 && st.size == st.sh.size {
		return st.ref
	}
	whole, n := int(st.size/blockSize), int(st.size%blockSize)
	rest := make([]byte, 0, n)
	for len(rest) < n {
		b, _ := st.Chunk(int64(whole)*blockSize + int64(len(rest)))
		rest = append(rest, b...)
	}
	kept := st.keepBlocks(whole)
	ref, _ := newHead(st.mem, st.size, kept, arena.Forced)
	h, sh := head(st.mem.Cell(ref)), shapeOf(st.size)
	for off := int64(whole) * blockSize; len(rest) > 0; {
		b, _ := h.span(st.mem, &sh, off)
		n := copy(b, rest)
		off, rest = off+int64(n), rest[n:]
	}
	return ref
}

// keepBlocks frees all but the first n blocks, which it returns.
func (st *Staged) keepBlocks(n int) []arena.Ref {
	if st.ref == 0 {
		if n < len(st.blocks) {
			st.mem.FreeBlocks(st.blocks[n:])
		}
		return st.blocks[:n]
	}
	h := head(st.mem.Cell(st.ref))
	kept := make([]arena.Ref, n)
	for i := range kept {
		kept[i] = h.piece(st.mem, &st.sh, i)
	}
	freeValue(st.mem, st.ref, n)
	return kept
}
