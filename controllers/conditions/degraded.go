package conditions

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
)

// degraded: are copies missing? What a member held is gone when its process is proven to
// have ended, or when it was taken out of the layout; one that only does not answer may
// live.
func (v *view) degraded() metav1.Condition {
	c := metav1.Condition{Type: Degraded, Status: metav1.ConditionTrue}
	if v.Layout == nil {
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, NoLayout, "Without a layout it is not known who holds what."
		return c
	}
	if v.early() {
		return v.asBefore(c.Type)
	}
	lacking := v.lacking()
	switch reason, headline := v.losses(); {
	case reason != "":
		c.Reason, c.Message = reason, headline+" "+sentence(remarks(lacking))
	case len(lacking) > 0:
		c.Reason, c.Message = NodeUnreachable, sentence(remarks(lacking))
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, AllCopies, "No copy is missing."
	}
	return c
}

// losses says how many copies are left of which slots. Without losses both are empty.
func (v *view) losses() (reason, headline string) {
	var lost slotSet
	some := make(map[[2]int]*slotSet) // slots by the copies that are left and that there should be
	for slot := range layout.Slots {
		all, left := v.copies(slot)
		switch {
		case left >= all:
		case left == 0 && v.table.Owners(uint8(slot)).Primary != nil:
			lost[slot] = true
		default:
			if some[[2]int{left, all}] == nil {
				some[[2]int{left, all}] = new(slotSet)
			}
			some[[2]int{left, all}][slot] = true
		}
	}
	var parts []string
	if !lost.empty() {
		reason = SlotsLost
		parts = append(parts, fmt.Sprintf("ALL COPIES ARE LOST of slots %s: their keys and values are gone.", lost.text(2*rangesRoom)))
	} else if len(some) > 0 {
		reason = CopiesMissing
	}
	for _, count := range fewestFirst(some) {
		slots := some[count].text(rangesRoom / len(some))
		parts = append(parts, fmt.Sprintf("Slots %s have %d of %s.", slots, count[0], plural(count[1], "copy", "copies")))
	}
	return reason, strings.Join(parts, " ")
}

func fewestFirst(some map[[2]int]*slotSet) [][2]int {
	var counts [][2]int
	for c := range some {
		counts = append(counts, c)
	}
	slices.SortFunc(counts, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	return counts
}
