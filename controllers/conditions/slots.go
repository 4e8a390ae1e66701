package conditions

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
)

// service is which slots of the layout that the nodes can have are not served, and who is
// to blame.
type service struct {
	*view
	table       *layout.Table
	write, read slotSet // cannot be written; of these, those whose entries cannot be read
	unknown     slotSet // the primary lives and does not answer us
	early       slotSet // the primary has not heard of the layout yet
	blame       map[layout.ID]string
}

// available is Ready where there is a layout and its nodes were asked. While a new layout is
// on its way to nodes that serve, what was said before stands: most change nothing in this.
func (v *view) available() metav1.Condition {
	s := v.unavailable()
	blame := sentence(remarks(s.blamed()))
	switch {
	case !s.write.empty():
		text := unavailableText(&s.write, &s.read) + " " + blame
		return metav1.Condition{Type: Ready, Status: metav1.ConditionFalse, Reason: SlotsUnavailable, Message: text}
	case !s.early.empty() && v.said(Ready) != nil:
		return *v.said(Ready)
	case !s.unknown.empty():
		text := fmt.Sprintf("It is not known whether slots %s are served. %s", s.unknown.text(rangesRoom), blame)
		return metav1.Condition{Type: Ready, Status: metav1.ConditionUnknown, Reason: NotAsked, Message: text}
	}
	return metav1.Condition{Type: Ready, Status: metav1.ConditionTrue, Reason: Serving, Message: "Every slot can be read and written."}
}

// unavailable finds the slots that are not served. Members of whom other nodes hear
// acknowledge writes, whether they answer the operator or not.
func (v *view) unavailable() *service {
	s := &service{view: v, table: layout.NewTable(v.known), blame: make(map[layout.ID]string)}
	for i := range v.known.Segments {
		s.judge(i)
	}
	return s
}

func (s *service) judge(i int) {
	g := &s.known.Segments[i]
	o := s.table.Owners(g.Lo)
	write, read, unknown, early := false, false, false, false
	for _, m := range o.Ack {
		if f := s.fates[m.Incarnation]; f != alive && f != heard {
			write = true
			s.blame[m.Incarnation] = s.why(m)
		}
	}
	switch p := o.Primary; {
	case p == nil:
		write, read = true, true
		for _, m := range o.Ack {
			if s.fates[m.Incarnation] == alive {
				s.blame[m.Incarnation] = "begins them anew, empty"
			}
		}
	case s.fates[p.Incarnation] == heard:
		unknown = true
		s.blame[p.Incarnation] = s.why(p)
	case s.fates[p.Incarnation] != alive:
		read = true
	case s.nodes[p.Name].Status.Epoch < g.View:
		early = true
		read = write
	default:
		// One that waits for somebody who is to blame is not.
		if why := s.waits(p, g); why != "" {
			if !write {
				s.blame[p.Incarnation] = why
			}
			write, read = true, true
		}
	}
	for slot := int(g.Lo); slot <= end(s.known, i); slot++ {
		s.write[slot], s.read[slot], s.unknown[slot], s.early[slot] = write, read, unknown && !write, early && !write
	}
}

// end is the last slot of segment i.
func end(l *layout.Layout, i int) int {
	if i+1 < len(l.Segments) {
		return int(l.Segments[i+1].Lo) - 1
	}
	return layout.Slots - 1
}

// waits says why a primary that answers does not serve a segment; empty: it does.
func (v *view) waits(p *layout.Member, g *layout.Segment) string {
	status := v.nodes[p.Name].Status
	switch active := v.active(p, g); {
	case !active && status.Ready:
		return "has not taken over yet"
	case !active:
		return notReady(status)
	case status.Lease == leaseLost:
		return "does not reach all other owners"
	}
	return ""
}

// active tells whether a primary that answers says that it is active. What it says of a
// larger segment that was cut since holds for its parts: the view tells.
func (v *view) active(p *layout.Member, g *layout.Segment) bool {
	active, best := false, -1
	for _, is := range v.nodes[p.Name].Status.Segments {
		if is.Lo <= g.Lo && int(is.Lo) > best {
			active, best = is.Active && is.View == g.View, int(is.Lo)
		}
	}
	return active
}

// leaseLost is what a node says that cannot read all slots that it is the primary of.
const leaseLost = "lost"

// blamed are the members to blame, in the layout's order.
func (s *service) blamed() []remark {
	var out []remark
	for i := range s.known.Members {
		m := &s.known.Members[i]
		if why := s.blame[m.Incarnation]; why != "" && !slices.Contains(out, remark{m.Name, why}) {
			out = append(out, remark{m.Name, why})
		}
	}
	return out
}

const rangesRoom = 150 // of a message

func unavailableText(write, read *slotSet) string {
	switch {
	case *write == *read:
		return fmt.Sprintf("Slots %s can be neither read nor written.", write.text(rangesRoom))
	case read.empty():
		return fmt.Sprintf("Slots %s cannot be written, which needs every owner; all can be read.", write.text(rangesRoom))
	}
	return fmt.Sprintf("Slots %s cannot be written, which needs every owner; of these, slots %s cannot be read, which needs the first one.",
		write.text(rangesRoom), read.text(rangesRoom))
}
