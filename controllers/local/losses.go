package local

import (
	"fmt"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// losses says what is left of what a dead incarnation held.
func losses(l *layout.Layout, dead layout.ID, alive map[layout.ID]bool) string {
	table := layout.NewTable(l)
	var held [layout.Slots]bool
	left := make(map[int]*[layout.Slots]bool) // by the number of copies
	most := 0
	for slot := range layout.Slots {
		owners := table.Owners(uint8(slot))
		copies := 0
		for _, m := range owners.Serving {
			if alive[m.Incarnation] {
				copies++
			}
		}
		for _, m := range owners.Ack {
			held[slot] = held[slot] || m.Incarnation == dead
		}
		if !held[slot] {
			continue
		}
		if left[copies] == nil {
			left[copies] = new([layout.Slots]bool)
		}
		left[copies][slot] = true
		most = max(most, copies)
	}
	if len(left) == 0 {
		return "It held nothing."
	}
	var parts []string
	for copies := 0; copies <= most; copies++ {
		if slots := left[copies]; slots != nil {
			parts = append(parts, fmt.Sprintf("%s of slots %s", count(copies), spell(ranges(slots))))
		}
	}
	return fmt.Sprintf("Its memory is gone: %s.", strings.Join(parts, ", "))
}

func count(copies int) string {
	switch copies {
	case 0:
		return "no copy is left"
	case 1:
		return "1 copy is left"
	}
	return fmt.Sprintf("%d copies are left", copies)
}

// ranges joins slots to ranges; one that passes from 255 to 0 is not cut there.
func ranges(in *[layout.Slots]bool) []layout.Range {
	first := 0
	for first < layout.Slots && in[first] {
		first++
	}
	if first == layout.Slots {
		return []layout.Range{{Lo: 0, Hi: layout.Slots - 1}}
	}
	var out []layout.Range
	for i := range layout.Slots {
		slot := uint8(first + i)
		if !in[slot] {
			continue
		}
		if !in[slot-1] {
			out = append(out, layout.Range{Lo: slot})
		}
		out[len(out)-1].Hi = slot
	}
	return out
}

func spell(rs []layout.Range) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = r.String()
	}
	return strings.Join(parts, ", ")
}
