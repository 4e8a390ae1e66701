// Package membership decides which nodes a cluster has: which ones stay, which ones go,
// and which new ones come in. It is pure. What becomes of the members that run in them is
// for package placement, which gets the nodes that stay.
//
//	a range of the shape has no node               →  a new one
//	its best node's end is set                     →  a new one beside it
//	its best node is of an old template, or moves  →  a new one beside it, some at a time
//	a node that goes is no member any more         →  it is dropped
//
// Nothing is remembered but the nodes and the last serial: a change of mind is another
// shape or template, by which other nodes are the best.
package membership

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// Node is one that there is, and what is known of it.
type Node struct {
	Name layout.Name
	// Ends: its end is set. Its process is being stopped, or is retired, or its place
	// cannot come back.
	Ends bool
	// Moves: its machine is being emptied.
	Moves bool
	// Old: it was made from another template than new ones are, and holds something. One that
	// holds nothing is made anew in its place.
	Old bool
	// Phase is how far its member has come; with several, the furthest. 0: none.
	Phase layout.Phase
}

// Wish is what there should be.
type Wish struct {
	Cluster string         // its name, after which new nodes are called
	Shape   []layout.Range // one node each
	Surge   int            // how many nodes that could go on are replaced at a time, at least 1
	// Taken tells whether somebody else has a name; nil: nobody has any.
	Taken func(layout.Name) bool
}

// Plan is which nodes there are from now on.
type Plan struct {
	Nodes  []layout.Name // all, in the order of the ring
	Stay   []layout.Name // of these, those that are not to go
	Serial uint64        // the last one that was given out
	// Added and Dropped are what changed.
	Added, Dropped []layout.Name
	// Waiting are nodes that are to be replaced, and are not yet, so that not too many are at
	// a time.
	Waiting []layout.Name
}

// Next returns the nodes that follow those there are. No two of these have one name.
func Next(w Wish, nodes []Node, serial uint64) Plan {
	d := &decision{wish: w, nodes: sorted(nodes), serial: serial}
	for i := range nodes {
		d.serial = max(d.serial, Number(w.Cluster, nodes[i].Name.Base))
	}
	stay := d.best()
	budget := max(w.Surge, 1) - d.going(stay)
	stay = d.replace(stay, func(n *Node) bool { return n.Ends })
	for _, urgent := range []func(*Node) bool{moves, old} {
		stay = d.replace(stay, func(n *Node) bool {
			if n.Ends || !urgent(n) {
				return false
			}
			if budget--; budget < 0 {
				d.plan.Waiting = append(d.plan.Waiting, n.Name)
				return false
			}
			return true
		})
	}
	return d.planned(stay)
}

func moves(n *Node) bool { return n.Moves }

func old(n *Node) bool { return n.Old && !n.Moves }

type decision struct {
	wish   Wish
	nodes  []Node // better ones of a range first
	serial uint64
	plan   Plan
}

// sorted are the nodes, of each range the better ones first.
func sorted(nodes []Node) []Node {
	out := slices.Clone(nodes)
	slices.SortStableFunc(out, func(a, b Node) int {
		return cmp.Or(cmp.Compare(b.fit(), a.fit()), cmp.Compare(b.come(), a.come()), byAge(a.Name, b.Name))
	})
	return out
}

func (n *Node) fit() int {
	switch {
	case n.Ends:
		return 0
	case n.Moves, n.Old:
		return 1
	}
	return 2
}

// come is how far a node's member has come: one that leaves has everything, and yet one
// that serves is better.
func (n *Node) come() int {
	if n.Phase == layout.Leaving {
		return 2*int(layout.Serving) - 1
	}
	return 2 * int(n.Phase)
}

// byAge puts nodes that came later behind: a serial is a number, not a text.
func byAge(a, b layout.Name) int {
	return cmp.Or(cmp.Compare(len(a.Base), len(b.Base)), strings.Compare(a.Base, b.Base), cmp.Compare(a.Range.Lo, b.Range.Lo), cmp.Compare(a.Range.Hi, b.Range.Hi))
}

// best are the best nodes of all ranges of the shape, new ones where there are none.
func (d *decision) best() []*Node {
	taken := make(map[layout.Name]bool)
	var stay []*Node
	for _, r := range d.wish.Shape {
		i := slices.IndexFunc(d.nodes, func(n Node) bool { return n.Name.Range == r && !taken[n.Name] })
		if i < 0 {
			stay = append(stay, d.added(r))
			continue
		}
		taken[d.nodes[i].Name] = true
		stay = append(stay, &d.nodes[i])
	}
	return stay
}

// going counts the nodes that are not to stay.
func (d *decision) going(stay []*Node) int {
	n := 0
	for i := range d.nodes {
		if !slices.Contains(stay, &d.nodes[i]) {
			n++
		}
	}
	return n
}

// replace puts new nodes in the place of some.
func (d *decision) replace(stay []*Node, which func(*Node) bool) []*Node {
	out := slices.Clone(stay)
	for i, n := range stay {
		if which(n) {
			out[i] = d.added(n.Name.Range)
		}
	}
	return out
}

// added is a new node. All that come in at a time have one serial, unless their
// StatefulSets, which do not spell the end of the range, would have one name, or somebody else has
// such a name already.
func (d *decision) added(r layout.Range) *Node {
	serial := d.serial + 1
	for d.isTaken(called(d.wish.Cluster, serial, r)) {
		serial++
	}
	n := &Node{Name: called(d.wish.Cluster, serial, r)}
	d.plan.Added = append(d.plan.Added, n.Name)
	d.plan.Serial = max(d.plan.Serial, serial)
	return n
}

func (d *decision) isTaken(name layout.Name) bool {
	begins := func(n layout.Name) bool { return n.Base == name.Base && n.Range.Lo == name.Range.Lo }
	return slices.ContainsFunc(d.plan.Added, begins) || d.wish.Taken != nil && d.wish.Taken(name)
}

// planned is the decision as a plan. A node that goes is kept as long as it is a member.
func (d *decision) planned(stay []*Node) Plan {
	p := d.plan
	p.Serial = max(p.Serial, d.serial)
	for _, n := range stay {
		p.Stay = append(p.Stay, n.Name)
	}
	p.Nodes = slices.Clone(p.Stay)
	for i := range d.nodes {
		n := &d.nodes[i]
		switch {
		case slices.Contains(p.Stay, n.Name):
		case n.Phase == 0:
			p.Dropped = append(p.Dropped, n.Name)
		default:
			p.Nodes = append(p.Nodes, n.Name)
		}
	}
	for _, list := range [][]layout.Name{p.Nodes, p.Stay, p.Added, p.Dropped, p.Waiting} {
		slices.SortFunc(list, byRing)
	}
	return p
}

func byRing(a, b layout.Name) int {
	return cmp.Or(cmp.Compare(a.Range.Lo, b.Range.Lo), cmp.Compare(a.Range.Hi, b.Range.Hi), byAge(a, b))
}

// called is the name of a node that came later.
func called(cluster string, serial uint64, r layout.Range) layout.Name {
	return layout.Name{Base: fmt.Sprintf("%s-r%d", cluster, serial), Range: r}
}

// Number is the serial in a node's base, 0 if there is none.
func Number(cluster, base string) uint64 {
	text, ok := strings.CutPrefix(base, cluster+"-r")
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Shape is the ranges of names.
func Shape(names []layout.Name) []layout.Range {
	out := make([]layout.Range, len(names))
	for i, n := range names {
		out[i] = n.Range
	}
	return out
}
