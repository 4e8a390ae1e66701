package arena

import "math/bits"

const minCell = 32

// blockClass marks a page that is one block.
const blockClass = 0xff

// sizes are the cell sizes, ascending; a class is an index into it. Up to 256 bytes
// they are all multiples of 8, as most cells are that small; above, 8 to a doubling;
// from 4 KiB on all of which a page has a different number. Each is the largest of
// which as many fit a page.
var sizes = func() []int {
	var out []int
	for s := minCell; s <= MaxCell; s += sizeStep(s) {
		fit := PageSize / (PageSize / s) &^ 7
		if len(out) == 0 || fit > out[len(out)-1] {
			out = append(out, fit)
		}
	}
	return out
}()

func sizeStep(s int) int {
	doubling := 1 << (bits.Len(uint(s)) - 1)
	switch {
	case s < 256:
		return 8
	case s < 4096:
		return doubling / 8
	}
	return doubling / 16
}

// classTable is the classes of sizes in units of 8 bytes, rounded up.
var classTable = func() (table [MaxCell/8 + 1]uint8) {
	id := 0
	for i := range table {
		if i*8 > sizes[id] {
			id++
		}
		table[i] = uint8(id)
	}
	return table
}()

func classOf(n int) uint8 { return classTable[(n+7)/8] }

// CellSize is the size of the cell that n bytes get, n ≤ MaxCell.
func CellSize(n int) int { return sizes[classOf(n)] }
