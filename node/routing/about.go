package routing

import "github.com/eiri/seppen/api/layout"

// About is what a request is about: it returns the newest view of that in a layout.
type About func(t *layout.Table) uint64

// Slots are what a request for one key is about: the key's and the value's.
func Slots(all ...uint8) About {
	return func(t *layout.Table) uint64 { return t.View(all...) }
}
