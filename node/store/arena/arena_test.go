package arena

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestSizes(t *testing.T) {
	prev := 0
	for _, s := range sizes {
		if s%8 != 0 || s <= prev {
			t.Errorf("size %d after %d", s, prev)
		}
		if waste := PageSize % s; waste >= PageSize/s*8 {
			t.Errorf("cells of %d bytes could be %d bytes larger", s, waste/(PageSize/s))
		}
		prev = s
	}
	if len(sizes) >= blockClass || sizes[0] != minCell || prev != MaxCell {
		t.Errorf("%d sizes from %d to %d", len(sizes), sizes[0], prev)
	}
	for n := range MaxCell + 1 {
		got := CellSize(n)
		if got < n {
			t.Fatalf("%d bytes get %d", n, got)
		}
		// Beyond 8 KiB a page has less than 8 cells, and there is nothing between.
		if n >= minCell && n <= 8<<10 && got > n+max(8, n*15/100) {
			t.Errorf("%d bytes get %d", n, got)
		}
	}
}

// TestModel hands out cells and blocks, fills them, and looks whether the bytes stay,
// whatever else is handed out, freed and moved.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int64{0, 3 * PageSize, 20 * PageSize}).Draw(t, "limit")
		a := New(limit)
		defer a.Close()
		m := model{a: a, fill: map[Ref]byte{}}
		t.Repeat(map[string]func(*rapid.T){
			"alloc":  func(t *rapid.T) { m.alloc(t) },
			"blocks": func(t *rapid.T) { m.blocks(t) },
			"free":   func(t *rapid.T) { m.free(rapid.IntRange(1, 200).Draw(t, "n"), rapid.IntRange(1, 7).Draw(t, "step")) },
			"compact": func(t *rapid.T) {
				before, pinned := a.Reclaimable(), rapid.IntRange(0, 5).Draw(t, "pinned")
				n := int64(m.compact(pinned))
				if left := a.Reclaimable(); n+left != before || pinned == 0 && left > 0 {
					t.Fatalf("emptied %d of %d pages, %d are left", n, before, left)
				}
			},
			"": func(t *rapid.T) { m.check(t) },
		})
		m.free(1<<30, 1)
		m.check(t)
		if s := a.Stats(); s != (Stats{}) {
			t.Fatalf("still in use: %+v", s)
		}
	})
}

type model struct {
	a     *Arena
	order []Ref
	fill  map[Ref]byte // every byte of the cell
	next  byte
}

func (m *model) add(ref Ref) {
	m.next++
	copy(m.a.Cell(ref), bytes.Repeat([]byte{m.next}, PageSize))
	m.order = append(m.order, ref)
	m.fill[ref] = m.next
}

func (m *model) alloc(t *rapid.T) {
	n := rapid.SampledFrom([]int{0, 1, 32, 33, 100, 1024, 5000, 20000, MaxCell}).Draw(t, "n")
	mode := rapid.SampledFrom([]Mode{Limited, Forced, Reuse}).Draw(t, "mode")
	for range rapid.IntRange(1, 40).Draw(t, "times") {
		left, used, had := m.a.Left(), m.a.Used(), m.a.HasCell(n)
		ref, ok := m.a.Alloc(n, mode)
		want := had || mode == Forced || (mode == Limited && left > 0)
		if ok != want {
			t.Fatalf("Alloc(%d, %d): %v with %d left and a free cell: %v", n, mode, ok, left, had)
		}
		if had && m.a.Used() != used {
			t.Fatalf("a page was taken though a cell was free")
		}
		if !ok {
			return
		}
		if _, twice := m.fill[ref]; twice || ref >= 1<<RefBits {
			t.Fatalf("cell %d was handed out twice", ref)
		}
		m.add(ref)
	}
}

func (m *model) blocks(t *rapid.T) {
	n := rapid.IntRange(0, 40).Draw(t, "n")
	left := m.a.Left()
	refs, ok := m.a.Blocks(n, Limited)
	if ok != (n == 0 || int64(n)*PageSize <= left) {
		t.Fatalf("%d blocks: %v with %d bytes left", n, ok, left)
	}
	for _, ref := range refs {
		m.add(ref)
	}
}

// free frees up to n, each step-th one.
func (m *model) free(n, step int) {
	var kept, blocks []Ref
	for i, ref := range m.order {
		switch {
		case i%step != 0 || n == 0:
			kept = append(kept, ref)
			continue
		case len(m.a.Cell(ref)) == PageSize:
			blocks = append(blocks, ref)
		default:
			m.a.Free(ref)
		}
		delete(m.fill, ref)
		n--
	}
	m.a.FreeBlocks(blocks)
	m.order = kept
}

// compact moves all cells it should but the first few.
func (m *model) compact(pinned int) int {
	m.a.Evacuate()
	for i, ref := range m.order {
		if len(m.a.Cell(ref)) == PageSize || !m.a.Evacuating(ref) {
			continue
		}
		if pinned--; pinned >= 0 {
			continue
		}
		if moved, ok := m.a.Move(ref); ok {
			m.order[i], m.fill[moved] = moved, m.fill[ref]
			delete(m.fill, ref)
			m.a.Free(ref)
		}
	}
	return m.a.Settle()
}

func (m *model) check(t *rapid.T) {
	if err := m.a.Check(); err != nil {
		t.Fatal(err)
	}
	var want Stats
	for ref, fill := range m.fill {
		cell := m.a.Cell(ref)
		if bytes.Count(cell, []byte{fill}) != len(cell) {
			t.Fatalf("cell %d was overwritten", ref)
		}
		want.Bytes += int64(len(cell))
		if len(cell) == PageSize {
			want.Blocks++
		} else {
			want.Cells++
		}
	}
	got := m.a.Stats()
	want.Pages = got.Pages
	if got != want {
		t.Fatalf("books say %+v, want %+v", got, want)
	}
}

// TestConcurrent is for the race detector and for cells handed out twice.
func TestConcurrent(t *testing.T) {
	a := New(0)
	defer a.Close()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			var mine []Ref
			for i := range 3000 {
				n := 8 + (i*37+w)%2000
				ref, _ := a.Alloc(n, Forced)
				binary.LittleEndian.PutUint64(a.Cell(ref), uint64(w)<<32|uint64(i))
				mine = append(mine, ref)
				if i%3 == 0 {
					old := mine[len(mine)/2]
					if got := a.Cell(old)[4]; got != byte(w) {
						t.Errorf("a cell of %d belongs to %d", w, got)
					}
					mine = append(mine[:len(mine)/2], mine[len(mine)/2+1:]...)
					a.Free(old)
				}
			}
			for _, ref := range mine {
				a.Free(ref)
			}
		})
	}
	wg.Wait()
	if err := a.Check(); err != nil {
		t.Error(err)
	}
	if s := a.Stats(); s != (Stats{}) {
		t.Errorf("still in use: %+v", s)
	}
}

// TestExtents takes pages of several extents at once and gives them all back.
func TestExtents(t *testing.T) {
	a := New(0)
	defer a.Close()
	const n = 2*extentPages + 3
	refs, ok := a.Blocks(n, Limited)
	if !ok {
		t.Fatal("no blocks")
	}
	for i, ref := range refs {
		binary.LittleEndian.PutUint64(a.Cell(ref)[PageSize-8:], uint64(i))
	}
	for i, ref := range refs {
		if got := binary.LittleEndian.Uint64(a.Cell(ref)[PageSize-8:]); got != uint64(i) {
			t.Fatalf("block %d has %d", i, got)
		}
	}
	a.FreeBlocks(refs)
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	idle(a)
	if len(a.pool.warm) != warmPages || len(a.pool.cold) != n-warmPages {
		t.Errorf("%d pages are warm, %d cold", len(a.pool.warm), len(a.pool.cold))
	}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
}

// idle is time that passes while nothing is taken.
func idle(a *Arena) {
	for range 2 { // the first trim may have seen pages being used
		for a.Trim() > 0 {
		}
	}
}

// What is used again and again stays warm, and never more than a share of the limit,
// nor past it.
func TestWarmPages(t *testing.T) {
	const limit = 40 * warmShare
	a := New(limit * PageSize)
	defer a.Close()
	for range 5 {
		refs, ok := a.Blocks(limit, Limited)
		if !ok {
			t.Fatal("no blocks")
		}
		a.FreeBlocks(refs[:limit/2])
		if n := len(a.pool.warm); n != limit/warmShare {
			t.Errorf("%d pages are warm, want %d", n, limit/warmShare)
		}
		if a.Trim() != 0 {
			t.Error("pages were given back that had just been needed")
		}
		a.FreeBlocks(refs[limit/2:])
	}
	refs, _ := a.Blocks(limit-2, Limited)
	a.FreeBlocks(refs[:1])
	if n := int64(len(a.pool.warm)) + a.pool.inUse.Load(); n > limit+warmPages {
		t.Errorf("%d pages have memory, limit %d", n, limit)
	}
	a.FreeBlocks(refs[1:])
}

// Blocks that lay side by side and are taken again lie side by side again.
func TestRunsStayRuns(t *testing.T) {
	if extentPages < 1024 {
		t.Skip("extents are short on the Go heap, and a run ends with its extent")
	}
	a := New(0)
	defer a.Close()
	for range 3 {
		refs, _ := a.Blocks(16, Limited)
		for i := range refs[1:] {
			if !refs[i].Next(refs[i+1]) {
				t.Fatalf("block %d is not behind block %d", i+1, i)
			}
		}
		run := a.Run(refs[3], 4)
		for i := range 4 {
			run[i*PageSize] = byte(i)
			if a.Cell(refs[3+i])[0] != byte(i) {
				t.Errorf("a run of blocks is not those blocks")
			}
		}
		a.FreeBlocks(refs)
	}
}

// TestMemoryReturns is the promise that a store which shrinks makes the process smaller.
func TestMemoryReturns(t *testing.T) {
	if extentPages < 1024 {
		t.Skip("the memory is that of the Go heap")
	}
	a := New(0)
	defer a.Close()
	const pages = 1000
	before := resident(t)
	refs, _ := a.Blocks(pages, Limited)
	if got := resident(t) - before; got > 2<<20 {
		t.Errorf("memory that is not written to costs %d bytes", got)
	}
	for _, ref := range refs {
		clear(a.Cell(ref))
	}
	if got := resident(t) - before; got < pages*PageSize*9/10 {
		t.Fatalf("grew by %d bytes only; the test does not see the memory", got)
	}
	a.FreeBlocks(refs)
	idle(a)
	if got := resident(t) - before; got > warmPages*PageSize+2<<20 {
		t.Errorf("%d bytes did not return", got)
	}
}

func resident(t *testing.T) int64 {
	debug.FreeOSMemory() // what earlier tests left on the Go heap is not our subject
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var total, pages int64
	if _, err := fmt.Sscan(string(text), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
