package arena

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Free pages keep their memory for a while, so that a store that frees and fills in
// turn does not ask the system for each: a page costs more to get than to fill. At
// most one in warmShare of the limit does, and at least warmPages; Trim gives back
// what was not needed.
const (
	warmPages = 32
	warmShare = 16
	warmMost  = 4096 // where there is no limit
)

// fillFrom is how many pages must be in use before memory is taken by whole pages.
const fillFrom = 256

// pool is the pages that are free, and the count of those that are not.
type pool struct {
	arena *Arena
	limit int64        // pages
	keep  int64        // pages that may be warm
	inUse atomic.Int64 // pages; written under mu

	mu   sync.Mutex
	low  int      // fewest warm pages since the last trim
	warm []uint32 // free, with memory
	cold []uint32 // free, their memory given back
	next uint32   // pages from here on were never used
}

func (p *pool) init(a *Arena, limit int64) {
	p.arena = a
	p.limit, p.keep = maxPages-1, warmMost
	if limit > 0 {
		p.limit = min(p.limit, limit/PageSize)
		p.keep = max(warmPages, p.limit/warmShare)
	}
	p.next = 1 // page 0 stays unused, for Ref 0 names nothing
}

// take hands out a page. It is bare if it has no memory yet.
func (p *pool) take(force bool) (no uint32, bare, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !force && p.inUse.Load() >= p.limit {
		return 0, false, false
	}
	p.inUse.Add(1)
	bare = len(p.warm) == 0
	return p.takeOne(), bare, true
}

func (p *pool) takeMany(n int, force bool) ([]uint32, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !force && int64(n) > p.limit-p.inUse.Load() {
		return nil, false
	}
	p.inUse.Add(int64(n))
	// Runs of pages stay runs: what lies side by side is read and sent in one piece.
	pages := takeLast(make([]uint32, 0, n), &p.warm, n)
	p.low = min(p.low, len(p.warm))
	pages = takeLast(pages, &p.cold, n-len(pages))
	for len(pages) < n {
		pages = append(pages, p.takeOne())
	}
	return pages, true
}

// fill gets memory for a page that has none and will be written all over: it is cheaper than to
// have the system notice one small page after the other. A small arena is left to that, as it may
// never fill the pages that it has.
func (p *pool) fill(no uint32) {
	if p.inUse.Load() >= fillFrom {
		fillMemory(p.memory(no, 1))
	}
}

func (p *pool) memory(first uint32, n int) []byte {
	at := int(first%extentPages) << pageShift
	return (*p.arena.extents.Load())[first/extentPages].mem[at : at+n<<pageShift]
}

// takeLast moves up to n items from the end of a list, in their order.
func takeLast(to []uint32, from *[]uint32, n int) []uint32 {
	at := max(0, len(*from)-n)
	to = append(to, (*from)[at:]...)
	*from = (*from)[:at]
	return to
}

func (p *pool) takeOne() uint32 {
	if no, ok := popLast(&p.warm); ok {
		p.low = min(p.low, len(p.warm))
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
	// Free or not, pages with memory stay below the limit, but for a few.
	room := min(p.keep, p.limit-p.inUse.Load()+warmPages) - int64(len(p.warm))
	keep := int(min(int64(len(pages)), max(0, room)))
	p.warm = append(p.warm, pages[:keep]...)
	p.mu.Unlock()
	pages = pages[keep:]
	if len(pages) == 0 {
		return
	}
	p.cool(pages)
}

// trim gives back half of the warm pages that were not needed since it was last
// called, and tells how many that were.
func (p *pool) trim() int {
	p.mu.Lock()
	n := max(0, min(p.low, len(p.warm))-warmPages+1) / 2
	pages := slices.Clone(p.warm[:n])
	p.warm = slices.Delete(p.warm, 0, n)
	p.low = len(p.warm)
	p.mu.Unlock()
	if n > 0 {
		p.cool(pages)
	}
	return n
}

// cool gives back the memory of free pages. Nobody else knows them now, so the slow
// system call needs no lock.
func (p *pool) cool(pages []uint32) {
	p.giveBack(pages)
	p.mu.Lock()
	p.cold = append(p.cold, pages...)
	p.mu.Unlock()
}

// giveBack returns the pages' memory to the system, whole runs at once: a large
// value's blocks mostly lie side by side.
func (p *pool) giveBack(pages []uint32) {
	slices.Sort(pages)
	for i := 0; i < len(pages); {
		first, n := pages[i], 1
		for i+n < len(pages) && pages[i+n] == first+uint32(n) && (first+uint32(n))%extentPages != 0 {
			n++
		}
		dropMemory(p.memory(first, n))
		i += n
	}
}
