package replica

import (
	"testing"

	"github.com/eiri/seppen/api/layout"
)

// owners is a layout in which these members, in this order, are those of all slots.
func owners(epoch, view uint64, members ...layout.Member) *layout.Layout {
	l := &layout.Layout{Cluster: layout.ID{99}, Epoch: epoch, Members: members}
	segment := layout.Segment{View: view}
	for i := range members {
		if members[i].Phase.Acknowledges() {
			segment.Order = append(segment.Order, uint16(i))
		}
	}
	l.Segments = []layout.Segment{segment}
	return l
}

func in(phase layout.Phase, joined uint64, id layout.ID) layout.Member {
	return layout.Member{
		Name: layout.Name{Base: string(rune('a' + id[0])), Range: layout.Range{Lo: 0, Hi: 255}}, Address: "x:1",
		Incarnation: id, JoinEpoch: joined, Phase: phase,
	}
}

// serving are members that were there from the beginning.
func serving(ids ...layout.ID) (members []layout.Member) {
	for _, id := range ids {
		members = append(members, in(layout.Serving, 1, id))
	}
	return members
}

// founded is a cluster's first layout: the first of the members is the primary of all slots.
func founded(ids ...layout.ID) *layout.Layout { return owners(1, 1, serving(ids...)...) }

// three is the world of most tests: P is the primary, B and C are the others, and all
// leases are fresh.
func three(t *testing.T) (w *world, p, b, c *node) {
	w = newWorld(t, founded(idP, idB, idC), idP, idB, idC)
	w.beats()
	return w, w.nodes[idP], w.nodes[idB], w.nodes[idC]
}
