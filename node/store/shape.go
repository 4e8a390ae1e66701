package store

import (
	"encoding/binary"
	"io"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store/arena"
)

// shape is how a value of some size lies in memory: whole blocks, then perhaps a
// half block, then what is left behind the header in the head cell. The rest never
// costs much more than its size, and everything that is not a whole block can be
// moved.
//
// The head cell is the header, the table of blocks, and the last bytes:
//
//	0  count       uint32  the index holds one, each reader one
//	4  touched     uint32  seconds of the store's clock
//	8  generation  uint32
//	12 uid         32 bytes
//	44 size        7 bytes
//	51 witness     1 byte
//	52 table, last bytes
//
// An item of the table is 4 bytes, the block's place in units of half a block. A
// table of more than maxDirect items lies in blocks of its own, and the head's table
// then names those.
type shape struct {
	size   int64
	blocks int // whole ones; the last may be partly used if there is no rest
	half   bool
	inline int // bytes in the head cell
}

const (
	headTouched    = 4
	headGeneration = 8
	headUID        = 12
	headSize       = headUID + uid.Size
	headWitness    = headSize + 7
	headBytes      = headWitness + 1

	blockSize = arena.PageSize
	halfSize  = arena.MaxCell

	tableItem   = 4
	maxDirect   = 4096
	tablePerBlk = blockSize / tableItem
)

func shapeOf(size int64) shape {
	sh := shape{size: size, blocks: int(size / blockSize)}
	rest := int(size % blockSize)
	// There may be one more piece; the table of one more is not always the longer.
	room := halfSize - headBytes - max(tableBytes(sh.blocks), tableBytes(sh.blocks+1))
	switch {
	case rest <= room:
		sh.inline = rest
	case rest <= halfSize:
		sh.half = true
	case rest-halfSize <= room:
		sh.half, sh.inline = true, rest-halfSize
	default:
		sh.blocks++
	}
	return sh
}

// pieces is how many items the table has.
func (sh *shape) pieces() int {
	if sh.half {
		return sh.blocks + 1
	}
	return sh.blocks
}

// tables is how many blocks the table takes, if it is not in the head.
func (sh *shape) tables() int {
	if sh.pieces() <= maxDirect {
		return 0
	}
	return (sh.pieces() + tablePerBlk - 1) / tablePerBlk
}

func tableBytes(pieces int) int {
	if pieces <= maxDirect {
		return pieces * tableItem
	}
	return (pieces + tablePerBlk - 1) / tablePerBlk * tableItem
}

func (sh *shape) inlineAt() int  { return headBytes + tableBytes(sh.pieces()) }
func (sh *shape) headBytes() int { return sh.inlineAt() + sh.inline }

// inPieces is how many bytes of the value are not in the head.
func (sh *shape) inPieces() int64 { return sh.size - int64(sh.inline) }

// memory is how many bytes the arena hands out for it.
func (sh *shape) memory() int64 {
	n := int64(sh.blocks+sh.tables())*blockSize + int64(arena.CellSize(sh.headBytes()))
	if sh.half {
		n += halfSize
	}
	return n
}

// head is a value's head cell.
type head []byte

// The size is read only under the slot's lock, or by who has the value alone: it
// shares a word with the witness, which may be set while readers have the value.

func (h head) touched() uint32    { return binary.LittleEndian.Uint32(h[headTouched:]) }
func (h head) generation() uint32 { return binary.LittleEndian.Uint32(h[headGeneration:]) }
func (h head) uid() *uid.UID      { return (*uid.UID)(h[headUID:]) }
func (h head) witness() uint8     { return h[headWitness] }
func (h head) size() int64 {
	return int64(binary.LittleEndian.Uint64(h[headSize:]) << 8 >> 8)
}

func (h head) setSize(size int64) { binary.LittleEndian.PutUint64(h[headSize:], uint64(size)) }
func (h head) setWitness(w uint8) { h[headWitness] = w }

func (h head) touch(now, generation uint32, witness uint8) {
	binary.LittleEndian.PutUint32(h[headTouched:], now)
	binary.LittleEndian.PutUint32(h[headGeneration:], generation)
	h.setWitness(witness)
}

func (h head) pin()         { arena.Counter(h).Add(1) }
func (h head) pinned() bool { return arena.Counter(h).Load() != 1 }

// unpin tells whether that was the last count.
func (h head) unpin() bool { return arena.Counter(h).Add(^uint32(0)) == 0 }

// tableItem is the table's item for a piece.
func (h head) tableItem(a *arena.Arena, sh *shape, piece int) []byte {
	table := h[headBytes:]
	if sh.tables() > 0 {
		i := piece / tablePerBlk
		table, piece = a.Cell(blockRef(table[i*tableItem:])), piece%tablePerBlk
	}
	return table[piece*tableItem:]
}

func (h head) piece(a *arena.Arena, sh *shape, piece int) arena.Ref {
	return blockRef(h.tableItem(a, sh, piece))
}

func (h head) setPiece(a *arena.Arena, sh *shape, piece int, ref arena.Ref) {
	putBlockRef(h.tableItem(a, sh, piece), ref)
}

const unitsPerHalf = halfSize / 8

func blockRef(b []byte) arena.Ref {
	return arena.Ref(binary.LittleEndian.Uint32(b)) * unitsPerHalf
}

func putBlockRef(b []byte, ref arena.Ref) {
	binary.LittleEndian.PutUint32(b, uint32(ref/unitsPerHalf))
}

// span is the bytes of the value from off on, as far as they lie in one piece.
func (h head) span(a *arena.Arena, sh *shape, off int64) ([]byte, error) {
	if off < 0 || off >= sh.size {
		return nil, io.EOF
	}
	if at := off - sh.inPieces(); at >= 0 {
		return h[sh.inlineAt()+int(at) : sh.headBytes()], nil
	}
	i := int(off / blockSize)
	first := h.piece(a, sh, i)
	b := a.Cell(first)
	if n := h.run(a, sh, i, first); n > 1 {
		b = a.Run(first, n)
	}
	b = b[off%blockSize:]
	return b[:min(int64(len(b)), sh.inPieces()-off)], nil
}

// maxRun is how many blocks are given out in one piece where they lie side by side.
const maxRun = 16

// run is how many whole blocks from block i on lie one behind the other.
func (h head) run(a *arena.Arena, sh *shape, i int, first arena.Ref) int {
	n := 1
	for last := first; n < maxRun && i+n < sh.blocks; n++ {
		next := h.piece(a, sh, i+n)
		if !last.Next(next) {
			break
		}
		last = next
	}
	return n
}

// newHead allocates the memory of a value of a size, or none. Its first blocks are
// those given, which hold its first bytes. The count is one.
func newHead(a *arena.Arena, size int64, given []arena.Ref, mode arena.Mode) (arena.Ref, bool) {
	sh := shapeOf(size)
	tables := sh.tables()
	blocks, ok := a.Blocks(sh.blocks-len(given)+tables, mode)
	if !ok {
		return 0, false
	}
	ref, ok := a.Alloc(sh.headBytes(), mode)
	if !ok {
		a.FreeBlocks(blocks)
		return 0, false
	}
	var half arena.Ref
	if sh.half {
		if half, ok = a.Alloc(halfSize, mode); !ok {
			a.Free(ref)
			a.FreeBlocks(blocks)
			return 0, false
		}
	}
	h := head(a.Cell(ref))
	arena.Counter(h).Store(1)
	h.setSize(size)
	for i, table := range blocks[:tables] {
		putBlockRef(h[headBytes+i*tableItem:], table)
	}
	h.fillTable(a, &sh, append(given[:len(given):len(given)], blocks[tables:]...), half)
	return ref, true
}

func (h head) fillTable(a *arena.Arena, sh *shape, blocks []arena.Ref, half arena.Ref) {
	for i, block := range blocks {
		h.setPiece(a, sh, i, block)
	}
	if sh.half {
		h.setPiece(a, sh, sh.blocks, half)
	}
}

// freeValue frees what newHead allocated, but for the first keep blocks.
func freeValue(a *arena.Arena, ref arena.Ref, keep int) {
	h := head(a.Cell(ref))
	sh := shapeOf(h.size())
	blocks := make([]arena.Ref, 0, max(0, sh.blocks-keep)+sh.tables())
	for i := keep; i < sh.blocks; i++ {
		blocks = append(blocks, h.piece(a, &sh, i))
	}
	if sh.half {
		a.Free(h.piece(a, &sh, sh.blocks))
	}
	for i := range sh.tables() {
		blocks = append(blocks, blockRef(h[headBytes+i*tableItem:]))
	}
	a.Free(ref)
	if len(blocks) > 0 {
		a.FreeBlocks(blocks)
	}
}
