package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// draft is a layout that a test is about to write, in the place of the cluster's author.
type draft struct {
	*layout.Layout
	orders  [layout.Slots][]layout.ID
	losses  [layout.Slots]uint64
	touched layout.ID // the primary of slots whose views are new for no reason
}

// write returns the layout that follows the newest one, which becomes the cluster's. Nobody
// has heard of it yet.
func (c *cluster) write(change func(d *draft)) *layout.Layout {
	c.t.Helper()
	old := layout.NewTable(c.layout)
	l := *c.layout
	l.Epoch++
	l.Members, l.Segments, l.Dead = slices.Clone(l.Members), nil, slices.Clone(l.Dead)
	d := &draft{Layout: &l}
	for s := range d.orders {
		o := old.Owners(uint8(s))
		d.losses[s] = o.Loss
		for _, m := range o.Ack {
			d.orders[s] = append(d.orders[s], m.Incarnation)
		}
	}
	change(d)
	for s := range d.orders {
		d.segment(uint8(s), old.Owners(uint8(s)))
	}
	if err := l.Validate(); err != nil {
		c.t.Fatal(err)
	}
	c.layout = &l
	return &l
}

// segment adds a slot to the layout's segments. Its view is new where those who acknowledge
// or the primary changed.
func (d *draft) segment(s uint8, was *layout.Owners) {
	g := layout.Segment{Lo: s, View: was.View, Loss: d.losses[s]}
	var primary layout.ID
	same := 0
	for _, id := range d.orders[s] {
		i := d.place(id)
		g.Order = append(g.Order, uint16(i))
		if primary == (layout.ID{}) && d.Members[i].Phase == layout.Serving {
			primary = id
		}
		if slices.ContainsFunc(was.Ack, func(m *layout.Member) bool { return m.Incarnation == id }) {
			same++
		}
	}
	var before layout.ID
	if was.Primary != nil {
		before = was.Primary.Incarnation
	}
	if same != len(was.Ack) || same != len(g.Order) || primary != before || g.Loss > was.Loss || d.touched != (layout.ID{}) && primary == d.touched {
		g.View = d.Epoch
	}
	if n := len(d.Segments); n > 0 {
		last := &d.Segments[n-1]
		if slices.Equal(last.Order, g.Order) && last.View == g.View && last.Loss == g.Loss {
			return
		}
	}
	d.Segments = append(d.Segments, g)
}

func (d *draft) place(id layout.ID) int {
	return slices.IndexFunc(d.Members, func(m layout.Member) bool { return m.Incarnation == id })
}

// admit makes a node a member that is joining.
func (d *draft) admit(n *running) {
	d.Members = append(d.Members, layout.Member{
		Name: n.cfg.Name, Address: n.via, Incarnation: n.state.Incarnation(), JoinEpoch: d.Epoch, Phase: layout.Joining,
	})
}

// phase sets a member's phase; once attached it is an owner of the slots of its range.
func (d *draft) phase(n *running, p layout.Phase) { d.phaseOf(n.state.Incarnation(), p) }

func (d *draft) phaseOf(id layout.ID, p layout.Phase) {
	m := &d.Members[d.place(id)]
	m.Phase = p
	for s := range d.orders {
		if m.Name.Range.Contains(uint8(s)) && !slices.Contains(d.orders[s], m.Incarnation) {
			d.orders[s] = append(d.orders[s], m.Incarnation)
		}
	}
}

// first makes a node the primary of all its slots.
func (d *draft) first(n *running) {
	for s, order := range d.orders {
		if i := slices.Index(order, n.state.Incarnation()); i > 0 {
			d.orders[s] = append([]layout.ID{order[i]}, slices.Delete(slices.Clone(order), i, i+1)...)
		}
	}
}

// touch begins a new view of all slots that a node is the primary of.
func (d *draft) touch(n *running) { d.touched = n.state.Incarnation() }

// reverse makes the last of the owners of each slot its primary.
func (d *draft) reverse() {
	for s := range d.orders {
		d.orders[s] = slices.Clone(d.orders[s])
		slices.Reverse(d.orders[s])
	}
}

// remove takes a node out of the layout; dead tells that it is proven to have ended.
func (d *draft) remove(n *running, dead bool) { d.removeID(n.state.Incarnation(), dead) }

func (d *draft) removeID(id layout.ID, dead bool) {
	i := d.place(id)
	d.Members = slices.Delete(d.Members, i, i+1)
	for s, order := range d.orders {
		d.orders[s] = slices.DeleteFunc(slices.Clone(order), func(o layout.ID) bool { return o == id })
	}
	if dead {
		d.Dead = append(d.Dead, id)
	}
}

// tell hands the newest layout to some nodes.
func (c *cluster) tell(nodes ...*running) {
	c.t.Helper()
	for _, n := range nodes {
		c.push(n, c.layout)
	}
}

// dismiss hands the newest layout to a node that is not in it. It may end before it answers.
func (c *cluster) dismiss(address string) {
	c.t.Helper()
	conn, err := c.dialer().Dial(context.Background(), address, layout.ID{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = peer.PushLayout(context.Background(), conn, c.layout) // that it hears of it is seen otherwise
}

// says waits until a node says something of all its segments in their views of now.
func (c *cluster) says(n *running, what string, is func(*peer.SegmentStatus) bool) {
	c.t.Helper()
	table := layout.NewTable(c.layout)
	c.eventually(func() bool {
		s := n.Status()
		return s.Epoch == c.layout.Epoch && len(s.Segments) > 0 && !slices.ContainsFunc(s.Segments, func(g peer.SegmentStatus) bool {
			return g.View != table.Owners(g.Lo).View || !is(&g)
		})
	}, n.cfg.Name.String()+" "+what)
}

func copied(s *peer.SegmentStatus) bool   { return s.Copied }
func complete(s *peer.SegmentStatus) bool { return s.Complete }
func active(s *peer.SegmentStatus) bool   { return s.Active }

// gate is what a node's peer port does with requests of some kinds: it holds them back.
type gate struct {
	calls func(*peer.Request)

	mu      sync.Mutex
	held    map[peer.Op]bool
	waiting []*peer.Request
}

func (g *gate) call(r *peer.Request) {
	g.mu.Lock()
	held := g.held[r.Op]
	if held {
		g.waiting = append(g.waiting, r.Detach())
	}
	g.mu.Unlock()
	if !held {
		g.calls(r)
	}
}

// hold holds requests back from now on.
func (g *gate) hold(ops ...peer.Op) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = make(map[peer.Op]bool)
	for _, op := range ops {
		g.held[op] = true
	}
}

// holds waits until a request is held back.
func (g *gate) holds(c *cluster) {
	c.t.Helper()
	c.eventually(func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) > 0
	}, "a request is held back")
}

// open lets everything through again, what was held back first.
func (g *gate) open() {
	for _, r := range g.drop() {
		g.calls(r)
	}
}

// drop lets everything through again, but not what was held back.
func (g *gate) drop() []*peer.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := g.waiting
	g.held, g.waiting = nil, nil
	return waiting
}

// seconds is so many seconds as the nodes count them.
func (c *cluster) seconds(n float64) time.Duration {
	return time.Duration(n * float64(c.nodes[0].second))
}
