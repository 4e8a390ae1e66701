package arena

import "math"

// Stats is what an arena holds.
type Stats struct {
	Pages  int64 // in use: blocks, and pages with at least one cell handed out
	Cells  int64 // handed out
	Blocks int64 // handed out
	Bytes  int64 // in cells and blocks handed out
}

// Stats counts what is handed out. It is exact while nobody allocates or frees.
func (a *Arena) Stats() Stats {
	s := Stats{Pages: a.pool.inUse.Load()}
	s.Blocks = s.Pages
	for i := range a.classes {
		c := &a.classes[i]
		used := c.used.Load()
		s.Blocks -= c.pages.Load()
		s.Cells += used
		s.Bytes += used * int64(c.size)
	}
	s.Bytes += s.Blocks * PageSize
	return s
}

// Used is the pages in use, in bytes.
func (a *Arena) Used() int64 { return a.pool.inUse.Load() * PageSize }

// Left is how many bytes of pages are left below the limit; negative if Forced
// allocations passed it. Without a limit it is the largest int64.
func (a *Arena) Left() int64 {
	if a.pool.limit == maxPages-1 {
		return math.MaxInt64
	}
	return (a.pool.limit - a.pool.inUse.Load()) * PageSize
}

// HasCell tells whether a cell for n bytes is free in a page in use.
func (a *Arena) HasCell(n int) bool {
	c := &a.classes[classOf(n)]
	return c.pages.Load()*int64(c.cells) > c.used.Load()
}

// Limit is the limit in bytes, whole pages; 0 means none.
func (a *Arena) Limit() int64 {
	if a.pool.limit == maxPages-1 {
		return 0
	}
	return a.pool.limit * PageSize
}
