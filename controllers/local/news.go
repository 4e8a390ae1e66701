package local

import (
	"fmt"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// news says in words what a new layout changes; nothing, if nobody would see it.
func news(before, after *layout.Layout, why string) []string {
	moved, lost := moves(before, after)
	if moved == "" && lost == "" && sameMembers(before, after) {
		return nil
	}
	lines := []string{fmt.Sprintf("epoch %d: %s.%s", after.Epoch, why, moved)}
	if lost != "" {
		lines = append(lines, fmt.Sprintf("ALL COPIES ARE LOST of slots %s: their keys and values are gone.", lost))
	}
	return lines
}

// moves says which slots have another primary than before, and which are lost.
func moves(before, after *layout.Layout) (moved, lost string) {
	was, is := layout.NewTable(before), layout.NewTable(after)
	var gone [layout.Slots]bool
	given := make(map[string]*[layout.Slots]bool)
	var to []string
	for slot := range layout.Slots {
		a, b := was.Owners(uint8(slot)), is.Owners(uint8(slot))
		gone[slot] = b.Loss == after.Epoch
		if b.Primary == nil || a.Primary != nil && a.Primary.Incarnation == b.Primary.Incarnation {
			continue
		}
		name := b.Primary.Name.String()
		if given[name] == nil {
			given[name] = new([layout.Slots]bool)
			to = append(to, name)
		}
		given[name][slot] = true
	}
	for i, name := range to {
		to[i] = fmt.Sprintf("%s to %s", spell(ranges(given[name])), name)
	}
	if len(to) > 0 {
		moved = " Slots " + strings.Join(to, ", ") + "."
	}
	if gone != ([layout.Slots]bool{}) {
		lost = spell(ranges(&gone))
	}
	return moved, lost
}

// sameMembers tells whether the members are the same, and in the same phases.
func sameMembers(a, b *layout.Layout) bool {
	if len(a.Members) != len(b.Members) {
		return false
	}
	for i := range a.Members {
		if a.Members[i] != b.Members[i] {
			return false
		}
	}
	return true
}
