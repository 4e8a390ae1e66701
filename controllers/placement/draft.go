package placement

import (
	"slices"

	"github.com/eiri/seppen/api/layout"
)

// draft is the next layout while it is made. Owners stand in it by their incarnation,
// so that members may come and go.
type draft struct {
	current  *layout.Layout
	epoch    uint64
	members  []layout.Member
	segments []segment
	dead     []layout.ID
}

type segment struct {
	layout.Segment // Order and View come at the end

	order []layout.ID
}

// keepDead is how many of the dead that are no members any more are listed at most.
// One that falls out costs somebody the wait for its lease.
const keepDead = 256

func edit(current *layout.Layout) *draft {
	d := &draft{
		current: current, epoch: current.Epoch + 1,
		members: slices.Clone(current.Members), dead: slices.Clone(current.Dead),
	}
	for _, s := range current.Segments {
		g := segment{Segment: s}
		for _, i := range s.Order {
			g.order = append(g.order, current.Members[i].Incarnation)
		}
		d.segments = append(d.segments, g)
	}
	return d
}

func (d *draft) member(id layout.ID) *layout.Member {
	i := slices.IndexFunc(d.members, func(m layout.Member) bool { return m.Incarnation == id })
	if i < 0 {
		return nil
	}
	return &d.members[i]
}

// cut lets segments begin and end where a range does. Both parts of a segment that is
// cut have all that it had.
func (d *draft) cut(r layout.Range) {
	d.cutAt(r.Lo)
	d.cutAt(r.Hi + 1)
}

func (d *draft) cutAt(slot uint8) {
	i := 0
	for i+1 < len(d.segments) && d.segments[i+1].Lo <= slot {
		i++
	}
	if d.segments[i].Lo == slot {
		return
	}
	rest := d.segments[i]
	rest.Lo, rest.order = slot, slices.Clone(rest.order)
	d.segments = slices.Insert(d.segments, i+1, rest)
}

// attach makes a member the last owner of all segments in its range.
func (d *draft) attach(id layout.ID) {
	m := d.member(id)
	m.Phase = layout.Attached
	for i := range d.segments {
		if g := &d.segments[i]; m.Name.Range.Contains(g.Lo) && !slices.Contains(g.order, id) {
			g.order = append(g.order, id)
		}
	}
}

func (g *segment) drop(id layout.ID) {
	g.order = slices.DeleteFunc(g.order, func(o layout.ID) bool { return o == id })
}

// remove takes a member away.
func (d *draft) remove(id layout.ID) {
	for i := range d.segments {
		d.segments[i].drop(id)
	}
	d.members = slices.DeleteFunc(d.members, func(m layout.Member) bool { return m.Incarnation == id })
}

func (d *draft) owns(id layout.ID) bool {
	return slices.ContainsFunc(d.segments, func(g segment) bool { return slices.Contains(g.order, id) })
}

// layout is the draft as a layout. A segment's view is the new epoch if its
// acknowledging owners or its primary changed: those of the old view must not go on.
func (d *draft) layout() *layout.Layout {
	next := &layout.Layout{Cluster: d.current.Cluster, Epoch: d.epoch, Members: d.members, Dead: d.trimmed()}
	places := make(map[layout.ID]uint16, len(d.members))
	for i := range d.members {
		places[d.members[i].Incarnation] = uint16(i)
	}
	before := layout.NewTable(d.current)
	for _, g := range d.segments {
		s := layout.Segment{Lo: g.Lo, View: g.View, Loss: g.Loss}
		for _, id := range g.order {
			s.Order = append(s.Order, places[id])
		}
		next.Segments = append(next.Segments, s)
	}
	after := layout.NewTable(next)
	for i := range next.Segments {
		if s := &next.Segments[i]; turned(before.Owners(s.Lo), after.Owners(s.Lo)) {
			s.View = d.epoch
		}
	}
	return next
}

func turned(before, after *layout.Owners) bool {
	if (before.Primary == nil) != (after.Primary == nil) || len(before.Ack) != len(after.Ack) {
		return true
	}
	if before.Primary != nil && before.Primary.Incarnation != after.Primary.Incarnation {
		return true
	}
	return slices.ContainsFunc(after.Ack, func(m *layout.Member) bool {
		return !slices.ContainsFunc(before.Ack, func(o *layout.Member) bool { return o.Incarnation == m.Incarnation })
	})
}

// trimmed is the list of the dead without the oldest, if there are too many.
func (d *draft) trimmed() []layout.ID {
	gone := 0
	for _, id := range d.dead {
		if d.member(id) == nil {
			gone++
		}
	}
	return slices.DeleteFunc(d.dead, func(id layout.ID) bool {
		if gone <= keepDead || d.member(id) != nil {
			return false
		}
		gone--
		return true
	})
}
