package simulation

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// contact is what a process knows of another member's being there, as node/peers does. All
// times are by its own clock; 0 is never.
type contact struct {
	beaten, answered time.Duration // since when it is beaten for, and when the last beat was sent that it answered
	expected, heard  time.Duration // since when it is to beat, and when its last beat came
	pinged, reached  time.Duration // since when it is pinged while it joins, and when the last ping was sent that it answered
}

func (p *process) contact(id layout.ID) *contact {
	c := p.contacts[id]
	if c == nil {
		c = new(contact)
		p.contacts[id] = c
	}
	return c
}

// meet notes what a newly adopted layout begins and ends. It pings those who join.
func (p *process) meet() {
	now := p.clock()
	for i := range p.table.Layout.Members {
		m := &p.table.Layout.Members[i]
		c := p.contact(m.Incarnation)
		since(&c.beaten, p.leads(m), now)
		since(&c.expected, p.follows(m), now)
		if since(&c.pinged, p.greets(m), now); c.pinged == 0 {
			c.reached = 0
		}
	}
	p.greet()
}

// since notes since when something is so.
func since(at *time.Duration, is bool, now time.Duration) {
	switch {
	case !is:
		*at = 0
	case *at == 0:
		*at = now
	}
}

// follows tells whether a member is the primary of slots that this node is a backup of.
func (p *process) follows(m *layout.Member) bool {
	for i := range p.table.Layout.Segments {
		o := p.table.Owners(p.table.Layout.Segments[i].Lo)
		if o.Primary != nil && o.Primary.Incarnation == m.Incarnation && m.Incarnation != p.id && has(o.Ack, &layout.Member{Incarnation: p.id}) {
			return true
		}
	}
	return false
}

// greets tells whether a member joins slots whose primary this node is.
func (p *process) greets(m *layout.Member) bool {
	if m.Phase != layout.Joining {
		return false
	}
	for i := range p.table.Layout.Segments {
		lo := p.table.Layout.Segments[i].Lo
		if o := p.table.Owners(lo); o.Primary != nil && o.Primary.Incarnation == p.id && m.Name.Range.Contains(lo) {
			return true
		}
	}
	return false
}

// greet pings the members that join slots whose primary this node is.
func (p *process) greet() {
	if p.table == nil {
		return
	}
	for i := range p.table.Layout.Members {
		m := &p.table.Layout.Members[i]
		c := p.contact(m.Incarnation)
		if c.pinged == 0 {
			continue
		}
		sent := p.clock()
		p.call(m, ping{}, callTimeout, func(r reply) {
			if r.err == nil && c.pinged != 0 {
				c.reached = max(c.reached, sent)
			}
		})
	}
}

// sights tells for how long members have been silent that this node exchanges beats with. Of
// those that it beats for, only answers count: what it sends must arrive.
func (p *process) sights() (out []peer.PeerStatus) {
	now := p.clock()
	for i := range p.table.Layout.Members {
		id := p.table.Layout.Members[i].Incarnation
		c := p.contact(id)
		at := max(c.beaten, c.answered)
		if c.beaten == 0 {
			if c.expected == 0 || c.heard == 0 {
				continue
			}
			at = max(c.expected, c.heard)
		}
		out = append(out, peer.PeerStatus{Incarnation: id, Silent: (now - at).Milliseconds()})
	}
	return out
}

// joining tells which members join slots whose primary this node is, and whether it reaches them.
func (p *process) joining() (out []peer.JoiningStatus) {
	now := p.clock()
	for i := range p.table.Layout.Members {
		id := p.table.Layout.Members[i].Incarnation
		if c := p.contact(id); c.pinged != 0 {
			out = append(out, peer.JoiningStatus{
				Incarnation: id, Answered: c.reached != 0, Silent: (now - max(c.pinged, c.reached)).Milliseconds(),
			})
		}
	}
	return out
}
