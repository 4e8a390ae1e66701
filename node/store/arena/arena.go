// Package arena keeps bytes outside the Go heap, where the garbage collector
// never looks.
//
// Memory is mapped in large extents and handed out in pages of 64 KiB. A page is
// either one block, or it is cut into cells of one size class. A page whose last
// cell is freed goes back to the pool, and beyond a small warm reserve the pool
// gives the memory back to the system, so the process shrinks when data goes.
//
// Whoever holds a Ref owns the cell: the arena keeps no counts and does not know
// what is in it. That is also how sparse pages are emptied: Evacuate names them,
// the owner of the cells Moves each one it still refers to, and Settle ends it.
package arena

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

const (
	pageShift = 16
	// PageSize is the size of a page and of a block in bytes.
	PageSize = 1 << pageShift
	// MaxCell is the largest cell in bytes. Two of them share a page.
	MaxCell = PageSize / 2
)

// Ref names a cell or a block by its place, in units of 8 bytes. It has RefBits
// significant bits; 0 names nothing.
type Ref uint64

// RefBits is how many bits of a Ref are significant: 8 TiB of memory.
const RefBits = 40

const (
	unitsPerPage = PageSize / 8
	maxPages     = 1 << RefBits / unitsPerPage
)

func (r Ref) page() uint32     { return uint32(r / unitsPerPage) }
func (r Ref) offset() int      { return int(r%unitsPerPage) * 8 }
func pageRef(page uint32) Ref  { return Ref(page) * unitsPerPage }
func (r Ref) add(off int) Ref  { return r + Ref(off/8) }
func (r Ref) extent() uint32   { return r.page() / extentPages }
func (r Ref) inExtent() uint32 { return r.page() % extentPages }

// Mode says what an allocation may use.
type Mode uint8

const (
	// Limited fails when the memory would pass the limit.
	Limited Mode = iota
	// Forced never fails.
	Forced
	// Reuse takes only a free cell of a page that is in use.
	Reuse
)

// Arena is safe for concurrent use.
type Arena struct {
	pool    pool
	extents atomic.Pointer[[]*extent] // copied when one is added, so that readers need no lock
	classes []class
	victims []victim // pages being emptied; belongs to whoever called Evacuate
}

type extent struct {
	mem   []byte
	pages [extentPages]page
}

// page is what the arena knows of one page of cells; its class's lock guards it.
type page struct {
	next, prev uint32 // neighbours in the class's list of pages with room
	used       uint16 // cells handed out
	fresh      uint16 // cells from this one on were never handed out
	free       uint16 // first of the list of freed cells, its number + 1
	class      uint8  // fixed while any cell is out, so owners of a cell may read it
	evacuating atomic.Bool
}

// class is the pages of one cell size.
type class struct {
	mu    sync.Mutex
	size  int
	cells int    // in a page
	room  uint32 // first page that has a free cell; 0: none
	// Written under mu, read without it.
	pages, used atomic.Int64
}

// New returns an arena that holds at most limit bytes of pages, except by Forced
// allocations; 0 means no limit but that of Refs. It maps nothing yet.
func New(limit int64) *Arena {
	a := &Arena{classes: make([]class, len(sizes))}
	for i, size := range sizes {
		a.classes[i].size, a.classes[i].cells = size, PageSize/size
	}
	a.extents.Store(new([]*extent))
	a.pool.init(a, limit)
	return a
}

// Close unmaps everything. No slice that came from the arena may be used any more.
func (a *Arena) Close() {
	for _, x := range *a.extents.Swap(new([]*extent)) {
		unmapMemory(x.mem)
	}
}

// Alloc hands out a cell of at least n bytes, n ≤ MaxCell. Its bytes are arbitrary.
func (a *Arena) Alloc(n int, mode Mode) (Ref, bool) {
	ref, bare, ok := a.alloc(classOf(n), mode)
	if bare {
		a.pool.fill(ref.page())
	}
	return ref, ok
}

// alloc tells also whether the cell is the first of a page that has no memory yet.
func (a *Arena) alloc(id uint8, mode Mode) (ref Ref, bare, ok bool) {
	c := &a.classes[id]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room == 0 {
		if mode == Reuse {
			return 0, false, false
		}
		var no uint32
		if no, bare, ok = a.pool.take(mode == Forced); !ok {
			return 0, false, false
		}
		p := a.page(no)
		p.used, p.fresh, p.free, p.class = 0, 0, 0, id
		c.pages.Add(1)
		a.link(c, no, p)
	}
	no := c.room
	p := a.page(no)
	ref = a.pop(c, no, p)
	p.used++
	c.used.Add(1)
	if int(p.used) == c.cells {
		a.unlink(c, p)
	}
	return ref, bare, true
}

// pop takes a cell off a page that has one. Freed cells go first: they are warm.
func (a *Arena) pop(c *class, no uint32, p *page) Ref {
	if p.free == 0 {
		p.fresh++
		return pageRef(no).add(int(p.fresh-1) * c.size)
	}
	ref := pageRef(no).add(int(p.free-1) * c.size)
	p.free = binary.LittleEndian.Uint16(a.Cell(ref))
	return ref
}

// Free takes back a cell, whose bytes are lost.
func (a *Arena) Free(ref Ref) {
	no := ref.page()
	p := a.page(no)
	c := &a.classes[p.class]
	c.mu.Lock()
	binary.LittleEndian.PutUint16(a.Cell(ref), p.free)
	p.free = uint16(ref.offset()/c.size) + 1
	full := int(p.used) == c.cells
	p.used--
	c.used.Add(-1)
	empty := p.used == 0
	switch {
	case empty:
		c.pages.Add(-1)
		if !p.evacuating.Swap(false) {
			a.unlink(c, p)
		}
	case full: // a page being emptied never is
		a.link(c, no, p)
	}
	c.mu.Unlock()
	if empty {
		a.pool.release([]uint32{no})
	}
}

// Cell is the bytes of a cell or block, the whole of its class's size.
func (a *Arena) Cell(ref Ref) []byte {
	x := (*a.extents.Load())[ref.extent()]
	size := PageSize
	if id := x.pages[ref.inExtent()].class; id != blockClass {
		size = a.classes[id].size
	}
	at := int(ref.inExtent())<<pageShift + ref.offset()
	return x.mem[at : at+size : at+size]
}

// Next tells whether block b lies right behind this one.
func (r Ref) Next(b Ref) bool { return b == r+unitsPerPage && r.extent() == b.extent() }

// Run returns n blocks that lie one behind the other.
func (a *Arena) Run(first Ref, n int) []byte {
	at := int(first.inExtent()) << pageShift
	end := at + n<<pageShift
	return (*a.extents.Load())[first.extent()].mem[at:end:end]
}

// Trim gives memory back to the system that was free and not needed since it was last
// called, and returns how many bytes. It is to be called every now and then.
func (a *Arena) Trim() int64 { return int64(a.pool.trim()) * PageSize }

// Blocks hands out n blocks or none.
func (a *Arena) Blocks(n int, mode Mode) ([]Ref, bool) {
	if n == 0 {
		return nil, true
	}
	pages, ok := a.pool.takeMany(n, mode == Forced)
	if !ok {
		return nil, false
	}
	refs := make([]Ref, n)
	for i, no := range pages {
		a.page(no).class = blockClass
		refs[i] = pageRef(no)
	}
	return refs, true
}

// FreeBlocks takes back blocks.
func (a *Arena) FreeBlocks(refs []Ref) {
	pages := make([]uint32, len(refs))
	for i, ref := range refs {
		pages[i] = ref.page()
	}
	a.pool.release(pages)
}

func (a *Arena) page(no uint32) *page {
	return &(*a.extents.Load())[no/extentPages].pages[no%extentPages]
}

func (a *Arena) link(c *class, no uint32, p *page) {
	p.prev, p.next = 0, c.room
	if c.room != 0 {
		a.page(c.room).prev = no
	}
	c.room = no
}

func (a *Arena) unlink(c *class, p *page) {
	if p.prev != 0 {
		a.page(p.prev).next = p.next
	} else {
		c.room = p.next
	}
	if p.next != 0 {
		a.page(p.next).prev = p.prev
	}
}
