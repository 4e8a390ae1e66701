package objects

import "github.com/eiri/seppen/api/layout"

// Copies is the number of nodes that hold the slot that has the fewest, 0 where a slot
// has none: so many copies less one may be lost.
func Copies(names []layout.Name) int {
	fewest := len(names)
	for slot := range layout.Slots {
		n := 0
		for _, name := range names {
			if name.Range.Contains(uint8(slot)) {
				n++
			}
		}
		fewest = min(fewest, n)
	}
	return fewest
}
