package conditions

import (
	"fmt"
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// isCopy tells whether a member has all that it should have of its slots. An attached one
// is not complete yet.
func isCopy(m *layout.Member) bool { return m.Phase == layout.Serving || m.Phase == layout.Leaving }

// copies of a slot: those that there should be, by the names of the nodes, and those that
// are not known to be lost. While the shape changes no more are missing than there were.
func (v *view) copies(slot int) (all, left int) {
	for _, name := range v.Names {
		if name.Range.Contains(uint8(slot)) {
			all++
		}
	}
	if v.reshaping() {
		_, before := v.shape()
		all = min(all, int(before))
	}
	for _, m := range v.table.Owners(uint8(slot)).Ack {
		if isCopy(m) && !v.fates[m.Incarnation].lost() {
			left++
		}
	}
	return all, left
}

// missingCopies are how many there are of all slots.
func (v *view) missingCopies() int32 {
	if v.Layout == nil || v.early() {
		return v.before.MissingCopies
	}
	missing := 0
	for slot := range layout.Slots {
		all, left := v.copies(slot)
		missing += max(all-left, 0)
	}
	return int32(missing)
}

// lacking says of each node that should be a copy of its slots and is none why. One that is
// new, or that goes and holds nothing, need not be.
func (v *view) lacking() []remark {
	var out []remark
	for i := range v.Nodes {
		if n := &v.Nodes[i]; !v.anyCopy(n.Name) && !v.comes(n) && (!n.Going || slices.ContainsFunc(v.members[n.Name], isCopy)) {
			out = append(out, remark{n.Name, v.lacks(n)})
		}
	}
	return out
}

func (v *view) anyCopy(name layout.Name) bool {
	for _, m := range v.members[name] {
		if f := v.fates[m.Incarnation]; isCopy(m) && f == alive {
			return true
		}
	}
	return false
}

// lacks says why a node is no copy of its slots, and how far it is on the way.
func (v *view) lacks(n *Node) string {
	old := v.holder(n.Name, gone, unreachable, heard, unasked)
	m := v.member(n)
	switch {
	case m != nil && !isCopy(m):
		return copying(n)
	case old != nil:
		return v.why(old)
	case n.Status != nil:
		return "came back empty, its memory is gone"
	case n.Err != "":
		return "does not answer (" + clip(n.Err, maxDetail) + ")"
	}
	return stage(n.Pod)
}

// copying says how far a node is that joins: in steps of ten, so that it is no news all the
// time.
func copying(n *Node) string {
	s := n.Status
	missing := func(g peer.SegmentStatus) bool { return !g.Copied && !g.Complete }
	switch {
	case len(s.Segments) > 0 && !slices.ContainsFunc(s.Segments, missing):
		return "has copied its slots"
	case s.CopyBytesLeft <= 0:
		return "begins to copy its slots"
	}
	percent := 10 * (10 * s.MemoryUsed / max(s.MemoryUsed+s.CopyBytesLeft, 1))
	return fmt.Sprintf("copies its slots (%d %%)", percent)
}
