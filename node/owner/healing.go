package owner

import (
	"sync"

	"github.com/eiri/seppen/api/layout"
)

// Healing knows in which slots this node lacks a value that it has to have, because its copy was
// corrupt and it looks for a good one. Whoever copies such a slot from here must not take it
// for whole (I3). The zero value is ready, and safe for concurrent use.
type Healing struct {
	mu    sync.Mutex
	slots [layout.Slots]struct {
		now  int    // values that are lacking
		ever uint64 // how often one began to
	}
}

// Begin notes that a value of a slot is about to be dropped, until end is called.
func (h *Healing) Begin(slot uint8) (end func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slots[slot].now++
	h.slots[slot].ever++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.slots[slot].now--
	}
}

// Watch begins to watch a slot; whole tells whether no value was lacking since.
func (h *Healing) Watch(slot uint8) (whole func() bool) {
	now, ever := h.at(slot)
	return func() bool {
		_, since := h.at(slot)
		return now == 0 && since == ever
	}
}

func (h *Healing) at(slot uint8) (now int, ever uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.slots[slot].now, h.slots[slot].ever
}
