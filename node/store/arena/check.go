package arena

import (
	"encoding/binary"
	"fmt"
)

// Check tells whether the arena's books agree with each other: every page is either
// free or in use, and every cell of a page of cells is handed out, or freed and in
// the page's list, or fresh, just once. It is for tests; nobody may allocate or free
// meanwhile.
func (a *Arena) Check() error {
	state := make([]string, a.pool.next)
	for _, list := range [][]uint32{a.pool.warm, a.pool.cold} {
		for _, no := range list {
			if state[no] != "" {
				return fmt.Errorf("page %d is free twice", no)
			}
			state[no] = "free"
		}
	}
	for id := range a.classes {
		if err := a.checkRoom(uint8(id), state); err != nil {
			return err
		}
	}
	var inUse int64
	cells := make([]int64, len(a.classes))
	pages := make([]int64, len(a.classes))
	for no := uint32(1); no < a.pool.next; no++ {
		if state[no] == "free" {
			continue
		}
		inUse++
		id := a.page(no).class
		if id == blockClass {
			continue
		}
		cells[id] += int64(a.page(no).used)
		pages[id]++
		if err := a.checkPage(no, state[no] == "room"); err != nil {
			return err
		}
	}
	for id := range a.classes {
		if c := &a.classes[id]; c.used.Load() != cells[id] || c.pages.Load() != pages[id] {
			return fmt.Errorf("cells of %d bytes: counted %d in %d pages, booked %d in %d",
				c.size, cells[id], pages[id], c.used.Load(), c.pages.Load())
		}
	}
	if inUse != a.pool.inUse.Load() {
		return fmt.Errorf("%d pages are in use, booked %d", inUse, a.pool.inUse.Load())
	}
	return nil
}

// checkRoom walks a class's list of pages that have room.
func (a *Arena) checkRoom(id uint8, state []string) error {
	var prev uint32
	for no := a.classes[id].room; no != 0; no = a.page(no).next {
		p := a.page(no)
		if state[no] != "" || p.class != id || p.prev != prev || p.evacuating.Load() {
			return fmt.Errorf("page %d of class %d does not belong into the list of class %d (%q)", no, p.class, id, state[no])
		}
		state[no], prev = "room", no
	}
	return nil
}

func (a *Arena) checkPage(no uint32, listed bool) error {
	p := a.page(no)
	c := &a.classes[p.class]
	free := make(map[uint16]bool)
	for n := p.free; n != 0; {
		if free[n] || n > p.fresh {
			return fmt.Errorf("page %d: cell %d is free twice or was never used", no, n-1)
		}
		free[n] = true
		n = binary.LittleEndian.Uint16(a.Cell(pageRef(no).add(int(n-1) * c.size)))
	}
	if int(p.used)+len(free) != int(p.fresh) || int(p.fresh) > c.cells || p.used == 0 {
		return fmt.Errorf("page %d: %d cells used, %d free, %d ever used of %d", no, p.used, len(free), p.fresh, c.cells)
	}
	if listed != (int(p.used) < c.cells) {
		return fmt.Errorf("page %d: %d cells of %d used, listed as having room: %v", no, p.used, c.cells, listed)
	}
	return nil
}
