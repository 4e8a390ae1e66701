package store

import (
	"encoding/binary"
	"slices"

	"github.com/eiri/seppen/node/store/arena"
)

// An index is a sorted list of cells, kept as a list of leaves. It knows only the
// first 3 bytes of what a cell is sorted by; where these are equal, the probe that
// looks for a place reads the cell. Its owner's lock guards it.
type index struct {
	leaves []leaf
	count  int
}

// leaf is a cell with n items, at least one. The cell grows with it.
type leaf struct {
	ref arena.Ref
	n   int
}

const (
	leafItems = 128 // of a full leaf: 1 KiB
	leafMin   = 4
	itemBytes = 8
)

// item is what a leaf holds: 24 bits of prefix and 40 bits of reference.
type item uint64

const refMask = 1<<arena.RefBits - 1

func newItem(prefix uint32, ref arena.Ref) item {
	return item(prefix)<<arena.RefBits | item(ref)
}

func (it item) prefix() uint32 { return uint32(it >> arena.RefBits) }
func (it item) ref() arena.Ref { return arena.Ref(it & refMask) }

// withRef is the same item in another cell.
func (it item) withRef(ref arena.Ref) item { return it&^refMask | item(ref) }

// prefixOf is the first 3 bytes of s as a number that sorts as they do.
func prefixOf[S string | []byte](s S) uint32 {
	var p uint32
	for i := range 3 {
		p <<= 8
		if i < len(s) {
			p |= uint32(s[i])
		}
	}
	return p
}

// place is where an item is or would be inserted.
type place struct{ leaf, i int }

// probe says what is looked for: its prefix, and how it compares with a cell that
// has the same prefix (negative: it comes before the cell).
type probe struct {
	prefix  uint32
	compare func(arena.Ref) int
}

func (pr *probe) after(it item) bool { return pr.order(it) > 0 }

func (pr *probe) order(it item) int {
	if p := it.prefix(); pr.prefix != p {
		return int(pr.prefix) - int(p)
	}
	return pr.compare(it.ref())
}

func loadItem(cell []byte, i int) item {
	return item(binary.LittleEndian.Uint64(cell[i*itemBytes:]))
}

func storeItem(cell []byte, i int, it item) {
	binary.LittleEndian.PutUint64(cell[i*itemBytes:], uint64(it))
}

// find returns the place of the first item that is not before the probe, and
// whether that is what was looked for. The place may lie behind a leaf's last item.
func (ix *index) find(a *arena.Arena, pr probe) (place, bool) {
	// The first leaf that begins behind the probe: the place is in the one before it.
	lo, hi := 0, len(ix.leaves)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if pr.order(loadItem(a.Cell(ix.leaves[mid].ref), 0)) >= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return place{}, false
	}
	at := place{leaf: lo - 1}
	l := ix.leaves[at.leaf]
	cell := a.Cell(l.ref)
	lo, hi = 0, l.n
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if pr.after(loadItem(cell, mid)) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	at.i = lo
	return at, lo < l.n && pr.order(loadItem(cell, lo)) == 0
}

// at returns the item at a place, moving the place to the next leaf if it lies
// behind the last item of one.
func (ix *index) at(a *arena.Arena, p *place) (item, bool) {
	if p.leaf < len(ix.leaves) && p.i >= ix.leaves[p.leaf].n {
		p.leaf, p.i = p.leaf+1, 0
	}
	if p.leaf >= len(ix.leaves) {
		return 0, false
	}
	return loadItem(a.Cell(ix.leaves[p.leaf].ref), p.i), true
}

// set replaces the item at a place by one that sorts the same.
func (ix *index) set(a *arena.Arena, p place, it item) {
	storeItem(a.Cell(ix.leaves[p.leaf].ref), p.i, it)
}

// insert puts an item at the place that find returned for it.
func (ix *index) insert(a *arena.Arena, p place, it item) {
	ix.count++
	if len(ix.leaves) == 0 {
		ix.leaves = append(ix.leaves, leaf{ref: newLeaf(a, leafMin)})
	}
	if ix.leaves[p.leaf].n == leafItems {
		p = ix.split(a, p)
	}
	l := &ix.leaves[p.leaf]
	if room := len(a.Cell(l.ref)) / itemBytes; l.n == room {
		// Small steps keep leaves nine tenths full, though splits leave them half empty.
		ix.resize(a, l, min(room+min(room, leafItems/8), leafItems))
	}
	cell := a.Cell(l.ref)
	copy(cell[(p.i+1)*itemBytes:(l.n+1)*itemBytes], cell[p.i*itemBytes:l.n*itemBytes])
	storeItem(cell, p.i, it)
	l.n++
}

// split makes room in a full leaf and returns where the place is now.
func (ix *index) split(a *arena.Arena, p place) place {
	keep := leafItems / 2
	if p.leaf == len(ix.leaves)-1 && p.i == leafItems {
		keep = leafItems // items that come in order leave full leaves behind them
	}
	old := &ix.leaves[p.leaf]
	right := leaf{ref: newLeaf(a, max(leafItems-keep, leafMin)), n: leafItems - keep}
	copy(a.Cell(right.ref), a.Cell(old.ref)[keep*itemBytes:leafItems*itemBytes])
	old.n = keep
	ix.resize(a, old, keep)
	ix.leaves = slices.Insert(ix.leaves, p.leaf+1, right)
	if p.i > keep || keep == leafItems {
		return place{leaf: p.leaf + 1, i: p.i - keep}
	}
	return p
}

// remove takes out the item at a place.
func (ix *index) remove(a *arena.Arena, p place) {
	ix.count--
	l := &ix.leaves[p.leaf]
	cell := a.Cell(l.ref)
	copy(cell[p.i*itemBytes:], cell[(p.i+1)*itemBytes:l.n*itemBytes])
	l.n--
	switch {
	case l.n == 0:
		ix.drop(a, p.leaf)
	case l.n <= leafItems/4 && p.leaf > 0 && ix.leaves[p.leaf-1].n+l.n <= leafItems*3/4:
		ix.merge(a, p.leaf-1)
	case l.n <= leafItems/4 && p.leaf+1 < len(ix.leaves) && ix.leaves[p.leaf+1].n+l.n <= leafItems*3/4:
		ix.merge(a, p.leaf)
	case l.n >= leafMin/2 && l.n <= len(cell)/itemBytes/4:
		ix.resize(a, l, 2*l.n)
	}
}

// merge moves the items of the leaf behind i into leaf i.
func (ix *index) merge(a *arena.Arena, i int) {
	l, next := &ix.leaves[i], ix.leaves[i+1]
	ix.resize(a, l, l.n+next.n)
	copy(a.Cell(l.ref)[l.n*itemBytes:], a.Cell(next.ref)[:next.n*itemBytes])
	l.n += next.n
	ix.drop(a, i+1)
}

func (ix *index) drop(a *arena.Arena, i int) {
	a.Free(ix.leaves[i].ref)
	ix.leaves = slices.Delete(ix.leaves, i, i+1)
	if len(ix.leaves) == 0 {
		ix.leaves = nil
	}
}

// resize moves a leaf into a cell for at least room items.
func (ix *index) resize(a *arena.Arena, l *leaf, room int) {
	old := a.Cell(l.ref)
	if len(old) == arena.CellSize(room*itemBytes) {
		return
	}
	ref := newLeaf(a, room)
	copy(a.Cell(ref), old[:l.n*itemBytes])
	a.Free(l.ref)
	l.ref = ref
}

// newLeaf never fails: whether there is room was asked before a value was placed or
// an entry ordered, and an index that refused would lose either.
func newLeaf(a *arena.Arena, room int) arena.Ref { return mustAlloc(a, room*itemBytes) }

func mustAlloc(a *arena.Arena, n int) arena.Ref {
	ref, _ := a.Alloc(n, arena.Forced)
	return ref
}
