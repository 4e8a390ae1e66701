//go:build !race

package arena

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilled: an arena that has grown takes memory by whole pages, a small one only what is
// written to.
func TestFilled(t *testing.T) {
	mem := mapMemory(extentPages * PageSize)
	defer unmapMemory(mem)
	if err := unix.Madvise(mem[:PageSize], unix.MADV_POPULATE_WRITE); err != nil {
		t.Skip("this kernel does not do that: ", err)
	}
	a := New(0)
	defer a.Close()
	grow := func(pages int) (by int64) {
		before := resident(t)
		for range 2 * pages {
			if _, ok := a.Alloc(MaxCell, Limited); !ok {
				t.Fatal("no room")
			}
		}
		return resident(t) - before
	}
	if by := grow(fillFrom - 1); by > 2<<20 {
		t.Errorf("a small arena that is not written to costs %d bytes", by)
	}
	if by := grow(fillFrom); by < fillFrom*PageSize*9/10 {
		t.Errorf("%d pages of a large one have %d bytes", fillFrom, by)
	}
}
