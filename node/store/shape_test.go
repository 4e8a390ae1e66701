package store

import (
	"encoding/binary"
	"testing"

	"github.com/eiri/seppen/node/store/arena"
)

func TestShapes(t *testing.T) {
	around := []int64{0, halfSize, blockSize, blockSize + halfSize, 10 * blockSize, maxDirect * blockSize,
		(maxDirect + 1) * blockSize, tablePerBlk * blockSize, 5 << 30, 1 << 40}
	for _, base := range around {
		for off := int64(-blockSize - 100); off <= blockSize+100; off++ {
			if base+off >= 0 {
				checkShape(t, base+off)
			}
		}
	}
}

func checkShape(t *testing.T, size int64) {
	sh := shapeOf(size)
	pieces := int64(sh.blocks) * blockSize
	if sh.half {
		pieces += halfSize
	}
	switch {
	case sh.headBytes() > arena.MaxCell:
		t.Fatalf("%d: a head of %d bytes", size, sh.headBytes())
	case sh.inline < 0 || sh.inPieces() > pieces:
		t.Fatalf("%d: %+v holds %d bytes in pieces", size, sh, pieces)
	case sh.inline > 0 && sh.inPieces() != pieces:
		t.Fatalf("%d: %+v has a rest and a piece that is not full", size, sh)
	case sh.half && sh.inPieces() <= int64(sh.blocks)*blockSize:
		t.Fatalf("%d: %+v has a half block for nothing", size, sh)
	}
	// A value just above a third of a page gets half a page; above that, what is lost
	// is at most what a large table takes from the rest.
	if size > halfSize && sh.memory() > size+size/4+maxDirect*tableItem {
		t.Fatalf("%d bytes take %d", size, sh.memory())
	}
}

// TestHugeValue has a value of 5 GiB, of which it touches only a few pages.
func TestHugeValue(t *testing.T) {
	if underRace {
		t.Skip("here memory that is not touched costs as much as any")
	}
	s := open(t, Options{})
	const size = 5<<30 + 12345
	st, err := s.Stage(size)
	if err != nil {
		t.Fatal(err)
	}
	h := head(s.mem.Cell(st.ref))
	marks := []int64{0, blockSize - 8, maxDirect*blockSize + 16, tablePerBlk*blockSize - 8, tablePerBlk * blockSize, 1<<32 + 8, size - 12345 - 8, size - 8}
	for _, off := range marks {
		b, err := h.span(s.mem, &st.sh, off)
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint64(b, uint64(off))
	}
	st.size = size
	u := secret.Sum([]byte("huge"))
	s.Install(u, st, 0)
	checkInvariants(t, s)
	v := s.Value(u)
	for _, off := range marks {
		b, err := v.Chunk(off)
		if err != nil || binary.LittleEndian.Uint64(b) != uint64(off) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	if s.Stats().ValueBytes != size {
		t.Errorf("value bytes: %d", s.Stats().ValueBytes)
	}
	s.Drop(u)
	v.Close()
	checkEmpty(t, s)
}
