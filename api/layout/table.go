package layout

// Table is a layout made ready to look owners up by slot. It is immutable.
type Table struct {
	Layout *Layout
	slots  [Slots]*Owners
}

// Owners are the members that matter to a slot, each in the segment's order.
type Owners struct {
	View    uint64
	Loss    uint64
	Primary *Member   // the first serving member; nil if none serves
	Serving []*Member // those who have everything of the slot
	Ack     []*Member // those whose acknowledgement a write needs (I2)
}

// NewTable makes a layout ready; the layout must be valid and must not change.
func NewTable(l *Layout) *Table {
	t := &Table{Layout: l}
	for i := range l.Segments {
		s := &l.Segments[i]
		o := &Owners{View: s.View, Loss: s.Loss}
		for _, j := range s.Order {
			m := &l.Members[j]
			if m.Phase.Acknowledges() {
				o.Ack = append(o.Ack, m)
			}
			if m.Phase == Serving {
				o.Serving = append(o.Serving, m)
			}
		}
		if len(o.Serving) > 0 {
			o.Primary = o.Serving[0]
		}
		for slot := int(s.Lo); slot <= l.end(i); slot++ {
			t.slots[slot] = o
		}
	}
	return t
}

// Owners returns the owners of a slot.
func (t *Table) Owners(slot uint8) *Owners { return t.slots[slot] }

// View returns the newest view of some slots.
func (t *Table) View(slots ...uint8) (view uint64) {
	for _, slot := range slots {
		view = max(view, t.slots[slot].View)
	}
	return view
}

// NewestView returns the newest view of all slots.
func (t *Table) NewestView() (view uint64) {
	for i := range t.Layout.Segments {
		view = max(view, t.Layout.Segments[i].View)
	}
	return view
}

// Member returns the member with this incarnation, nil if it is none.
func (t *Table) Member(incarnation ID) *Member {
	for i := range t.Layout.Members {
		if m := &t.Layout.Members[i]; m.Incarnation == incarnation {
			return m
		}
	}
	return nil
}

// PrimaryOf returns the slots whose primary is this incarnation.
func (t *Table) PrimaryOf(incarnation ID) *[Slots]bool {
	var in [Slots]bool
	for s, o := range t.slots {
		in[s] = o.Primary != nil && o.Primary.Incarnation == incarnation
	}
	return &in
}
