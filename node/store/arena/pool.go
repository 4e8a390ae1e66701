package arena

import (
	"slices"
	"sync"
	"sync/atomic"
)

// warmPages is how many free pages keep their memory, so that a store that frees
// and fills in turn does not ask the system each time.
const warmPages = 32

// pool is the pages that are free, and the count of those that are not.
type pool struct {
	arena *Arena
	limit int64        // pages
	inUse atomic.Int64 // pages; written under mu

	mu   sync.Mutex
	warm []uint32 // free, with memory
	cold []uint32 // free, their memory given back
	next uint32   // pages from here on were never used
}

func (p *pool) init(a *Arena, limit int64) {
	p.arena = a
	p.limit = maxPages - 1
	if limit > 0 {
		p.limit = min(p.limit, limit/PageSize)
	}
	p.next = 1 // page 0 stays unused, for Ref 0 names nothing
}

func (p *pool) take(force bool) (uint32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !force && p.inUse.Load() >= p.limit {
		return 0, false
	}
	p.inUse.Add(1)
	return p.takeOne(), true
}

func (p *pool) takeMany(n int, force bool) ([]uint32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !force && int64(n) > p.limit-p.inUse.Load() {
		return nil, false
	}
	p.inUse.Add(int64(n))
	pages := make([]uint32, n)
	for i := range pages {
		pages[i] = p.takeOne()
	}
	return pages, true
}

func (p *pool) takeOne() uint32 {
	if no, ok := popLast(&p.warm); ok {
		return no
	}
	if no, ok := popLast(&p.cold); ok {
		return no
	}
	extents := *p.arena.extents.Load()
	if int(p.next/extentPages) == len(extents) {
		grown := append(slices.Clone(extents), &extent{mem: mapMemory(extentPages * PageSize)})
		p.arena.extents.Store(&grown)
	}
	p.next++
	return p.next - 1
}

func popLast(s *[]uint32) (uint32, bool) {
	n := len(*s)
	if n == 0 {
		return 0, false
	}
	no := (*s)[n-1]
	*s = (*s)[:n-1]
	return no, true
}

// release takes back pages; it may reorder the slice.
func (p *pool) release(pages []uint32) {
	p.mu.Lock()
	p.inUse.Add(-int64(len(pages)))
	keep := min(len(pages), warmPages-len(p.warm))
	p.warm = append(p.warm, pages[:keep]...)
	p.mu.Unlock()
	pages = pages[keep:]
	if len(pages) == 0 {
		return
	}
	// Nobody else knows these pages now, so the slow system call needs no lock.
	p.giveBack(pages)
	p.mu.Lock()
	p.cold = append(p.cold, pages...)
	p.mu.Unlock()
}

// giveBack returns the pages' memory to the system, whole runs at once: a large
// value's blocks mostly lie side by side.
func (p *pool) giveBack(pages []uint32) {
	slices.Sort(pages)
	extents := *p.arena.extents.Load()
	for i := 0; i < len(pages); {
		first, n := pages[i], 1
		for i+n < len(pages) && pages[i+n] == first+uint32(n) && (first+uint32(n))%extentPages != 0 {
			n++
		}
		at := int(first%extentPages) << pageShift
		dropMemory(extents[first/extentPages].mem[at : at+n<<pageShift])
		i += n
	}
}
