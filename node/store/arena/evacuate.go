package arena

import (
	"cmp"
	"slices"
)

// victim is a page being emptied, of a class.
type victim struct {
	no    uint32
	class uint8
}

// Reclaimable is how many pages could be freed by moving cells together.
func (a *Arena) Reclaimable() int64 {
	var n int64
	for i := range a.classes {
		n += a.classes[i].spare()
	}
	return n
}

func (c *class) spare() int64 {
	// The counters are read one after the other while others write them.
	cells := int64(c.cells)
	return max(0, c.pages.Load()-(c.used.Load()+cells-1)/cells)
}

// Evacuate picks the emptiest pages of each class, as many as its other pages have
// room to take in, and hands out no more of their cells. It returns how many. The
// caller then Moves every cell for which Evacuating holds, and calls Settle.
// One goroutine at a time may do so.
func (a *Arena) Evacuate() int {
	for id := range a.classes {
		a.evacuateClass(uint8(id))
	}
	return len(a.victims)
}

func (a *Arena) evacuateClass(id uint8) {
	c := &a.classes[id]
	c.mu.Lock()
	defer c.mu.Unlock()
	spare := int(c.spare())
	if spare == 0 {
		return
	}
	var pages []uint32
	for no := c.room; no != 0; no = a.page(no).next {
		pages = append(pages, no)
	}
	slices.SortFunc(pages, func(x, y uint32) int { return cmp.Compare(a.page(x).used, a.page(y).used) })
	for _, no := range pages[:min(spare, len(pages))] {
		p := a.page(no)
		a.unlink(c, p)
		p.evacuating.Store(true)
		a.victims = append(a.victims, victim{no, id})
	}
}

// Evacuating tells whether a cell lies in a page that Evacuate picked.
func (a *Arena) Evacuating(ref Ref) bool { return a.page(ref.page()).evacuating.Load() }

// EvacuatingSize tells whether Evacuate picked pages of cells for n bytes.
func (a *Arena) EvacuatingSize(n int) bool {
	id := classOf(n)
	return slices.ContainsFunc(a.victims, func(v victim) bool { return v.class == id })
}

// Move copies a cell into another page. The caller makes all that referred to the
// old cell refer to the new one and then Frees the old. It fails when others took
// the room meanwhile.
func (a *Arena) Move(ref Ref) (Ref, bool) {
	old := a.Cell(ref)
	moved, ok := a.Alloc(len(old), Reuse)
	if ok {
		copy(a.Cell(moved), old)
	}
	return moved, ok
}

// Settle ends what Evacuate began: pages that could not be emptied serve again. It
// returns how many were emptied.
func (a *Arena) Settle() int {
	emptied := len(a.victims)
	for _, v := range a.victims {
		c := &a.classes[v.class]
		c.mu.Lock()
		// A page that was emptied may serve anybody by now, but is not marked.
		if p := a.page(v.no); p.evacuating.Load() {
			emptied--
			p.evacuating.Store(false)
			a.link(c, v.no, p) // it had room before, and nobody took it
		}
		c.mu.Unlock()
	}
	a.victims = nil
	return emptied
}
