package owner

import "testing"

// A slot was whole if no value was lacking at any time since.
func TestHealing(t *testing.T) {
	var h Healing
	whole := func(slot uint8) bool { return h.Watch(slot)() }
	if !whole(7) {
		t.Error("nothing is lacking yet")
	}
	before := h.Watch(7)
	one := h.Begin(7)
	if before() || whole(7) || !whole(8) {
		t.Error("one is lacking in slot 7")
	}
	two, during := h.Begin(7), h.Watch(7)
	one()
	if whole(7) {
		t.Error("the other one is lacking yet")
	}
	two()
	if before() || during() {
		t.Error("what was read meanwhile may lack one, though none is lacking now")
	}
	if !whole(7) {
		t.Error("all are there again")
	}
}
