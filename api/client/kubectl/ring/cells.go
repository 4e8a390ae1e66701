package ring

import (
	"cmp"
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// state is what a node is to a slot.
type state uint8

// The states.
const (
	outside  state = iota // the slot is not in its range
	nothing               // it is to hold the slot, and no process of it does
	joining               // copies it
	attached              // acknowledges writes of it
	leaving               // has it, and hands it over
	serving               // has it
	primary               // has it, and is its first owner
	states
)

// row is one node.
type row struct {
	name    layout.Name
	status  *v1alpha1.NodeStatus // nil: the status does not know it yet
	phase   layout.Phase         // of its furthest member, 0: it has none
	slots   [layout.Slots]state
	members int
}

// rows are all nodes that the status or the layout knows, in the order of the ring.
func (p *picture) rows() []row {
	var all []row
	index := make(map[layout.Name]int)
	at := func(name layout.Name) *row {
		i, ok := index[name]
		if !ok {
			i = len(all)
			index[name] = i
			all = append(all, row{name: name})
		}
		return &all[i]
	}
	for i := range p.Cluster.Status.Nodes {
		s := &p.Cluster.Status.Nodes[i]
		if name, err := layout.ParseName(s.Name); err == nil {
			at(name).status = s
		}
	}
	if p.Layout != nil {
		for _, name := range p.Layout.Names() {
			at(name)
		}
	}
	for i := range all {
		p.fill(&all[i])
	}
	slices.SortStableFunc(all, func(a, b row) int {
		return cmp.Or(
			cmp.Compare(a.name.Range.Lo, b.name.Range.Lo), cmp.Compare(a.name.Range.Hi, b.name.Range.Hi),
			cmp.Compare(len(a.name.Base), len(b.name.Base)), cmp.Compare(a.name.Base, b.name.Base),
		)
	})
	return all
}

func (p *picture) fill(r *row) {
	for slot := range layout.Slots {
		if r.name.Range.Contains(uint8(slot)) {
			r.slots[slot] = nothing
		}
	}
	if p.Layout == nil {
		return
	}
	for i := range p.Layout.Members {
		m := &p.Layout.Members[i]
		if m.Name != r.name {
			continue
		}
		r.members++
		r.phase = max(r.phase, m.Phase)
		for slot := range layout.Slots {
			r.slots[slot] = max(r.slots[slot], p.of(m, uint8(slot)))
		}
	}
}

// of is what a member is to a slot.
func (p *picture) of(m *layout.Member, slot uint8) state {
	owners := p.table.Owners(slot)
	switch {
	case m.Phase == layout.Joining && m.Name.Range.Contains(slot):
		return joining
	case owners.Primary == m:
		return primary
	case !slices.Contains(owners.Ack, m):
		return outside
	}
	return map[layout.Phase]state{layout.Attached: attached, layout.Serving: serving, layout.Leaving: leaving}[m.Phase]
}

// slotsOf are the slots that a cell of so many stands for, the last one excluded.
func slotsOf(cell, cells int) (from, to int) {
	return cell * layout.Slots / cells, (cell + 1) * layout.Slots / cells
}

// cells of a row: each what most of its slots are of those that are in the node's range, so
// that a node with one slot is seen too. The first owner is seen in any case.
func (r *row) cells(n int) []state {
	out := make([]state, n)
	for cell := range out {
		var count [states]int
		for slot, to := slotsOf(cell, n); slot < to; slot++ {
			count[r.slots[slot]]++
		}
		for s := nothing; s < states; s++ {
			if count[s] > 0 && (out[cell] == outside || count[s] >= count[out[cell]]) {
				out[cell] = s
			}
		}
		if count[primary] > 0 {
			out[cell] = primary
		}
	}
	return out
}

// copies is how many members serve the slots of each cell: those of the slot that has the
// fewest.
func (p *picture) copies(cells int) []int {
	out := make([]int, cells)
	for cell := range out {
		from, to := slotsOf(cell, cells)
		out[cell] = layout.Slots
		for slot := from; slot < to; slot++ {
			out[cell] = min(out[cell], len(p.table.Owners(uint8(slot)).Serving))
		}
	}
	return out
}
