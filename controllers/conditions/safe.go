package conditions

import (
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// safe tells whether nothing would be lost if a node's pod ended at once: no member with duties
// is in it, or each slot has another copy with somebody who answers.
func (v *view) safe(n *Node) (is bool, why string) {
	before := v.nodeBefore(n.Name.String())
	switch {
	case v.Layout != nil && v.early() && before != nil && before.SafeToDeleteReason != "":
		return before.SafeToDelete, before.SafeToDeleteReason // until others were asked
	case v.Layout == nil && v.before.Epoch > 0:
		return false, "it is not known who holds what"
	case v.Layout == nil:
		return true, "there is no layout yet"
	}
	var lacking slotSet
	holds := false
	for _, m := range v.members[n.Name] {
		if !m.Phase.Acknowledges() || v.fates[m.Incarnation].lost() {
			continue
		}
		holds = true
		for slot := range layout.Slots {
			if owners := v.table.Owners(uint8(slot)).Ack; slices.Contains(owners, m) && !v.elsewhere(owners, m) {
				lacking[slot] = true
			}
		}
	}
	switch {
	case !holds:
		return true, "it holds nothing"
	case lacking.empty():
		return true, "each of its slots has another copy"
	}
	slots := lacking.text(rangesRoom)
	if strings.Contains(slots, ",") {
		return false, slots + " have one copy"
	}
	return false, slots + " has one copy"
}

// elsewhere tells whether somebody else who answers, and does not end, has what a member has of a
// slot.
func (v *view) elsewhere(owners []*layout.Member, m *layout.Member) bool {
	return slices.ContainsFunc(owners, func(o *layout.Member) bool {
		return o != m && isCopy(o) && v.fates[o.Incarnation] == alive && !v.ends(o)
	})
}

// ends tells whether a member that answers was told to stop, or is about to be.
func (v *view) ends(m *layout.Member) bool {
	n := v.nodes[m.Name]
	return n.Status.Ending || n.Pod != nil && n.Pod.DeletionTimestamp != nil && lives(n, m)
}
