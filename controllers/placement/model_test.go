package placement

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// TestModel lets a few nodes write, copy, die, sleep and come back by chance, others take
// their places, with an author who sees them late and partly, and checks after every step that what was
// acknowledged is where it must be. The nodes keep the protocol in its coarsest form:
// what one has of a slot is one number, that of the last write that it has all before.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		for range rapid.SampledFrom([]int{20, 60, 100, 150}).Draw(t, "steps") {
			m.happen()
		}
		m.heal()
	})
}

type model struct {
	*rapid.T

	shapes    [][]layout.Range
	names     []layout.Name // of the nodes that stay
	serial    int
	slots     []uint8 // one of each segment that any shape makes
	nodes     []*modelNode
	current   *layout.Layout
	committed map[uint8]stamp
	ended     map[layout.ID]bool // incarnations that are no more
	cuts      map[[2]int]bool
	ids       uint16
	calmly    bool // without any trouble
}

// stamp says how much one has of a slot: all writes up to n since the loss.
type stamp struct {
	loss uint64
	n    int
}

func (s stamp) less(o stamp) bool { return s.loss < o.loss || s.loss == o.loss && s.n < o.n }

// modelNode is a process, or none.
type modelNode struct {
	name            layout.Name
	id              layout.ID
	running, paused bool
	retired         bool // it was leaving and is no member any more
	layout          *layout.Layout
	has             map[uint8]stamp
	copied          map[uint8]bool
	complete        map[uint8]bool
	active          map[uint8]uint64 // the view in which it is active
	purged          uint64
	said            *Observation // what the author heard last
}

func newModel(t *rapid.T) *model {
	m := &model{T: t, committed: make(map[uint8]stamp), ended: make(map[layout.ID]bool), cuts: make(map[[2]int]bool)}
	var members []layout.Member
	for range 3 {
		shards, copies := rapid.IntRange(1, 4).Draw(t, "shards"), rapid.IntRange(1, 3).Draw(t, "copies")
		names, err := layout.Names("x", shards, copies)
		if err != nil {
			t.Fatal(err)
		}
		var shape []layout.Range
		for _, name := range names {
			shape = append(shape, name.Range)
			members = append(members, layout.Member{Name: name, Phase: layout.Serving})
		}
		m.shapes = append(m.shapes, shape)
	}
	for _, g := range layout.SegmentsOf(members, 1) {
		m.slots = append(m.slots, g.Lo)
	}
	m.reshape(m.shapes[0])
	return m
}

// reshape has other nodes stay: those of the same ranges, and new ones.
func (m *model) reshape(shape []layout.Range) {
	m.serial++
	stays := make(map[layout.Name]bool)
	before := m.names
	m.names = nil
	for _, r := range shape {
		name := layout.Name{Base: fmt.Sprintf("x%d", m.serial), Range: r}
		again := slices.DeleteFunc(slices.Clone(m.nodes), func(n *modelNode) bool {
			known := slices.Contains(before, n.name) || m.current != nil && isMember(m.current, n.id)
			return n.name.Range != r || !known || stays[n.name]
		})
		if i := rapid.IntRange(-1, len(again)-1).Draw(m.T, "stays"); i >= 0 {
			name = again[i].name
		} else {
			n := &modelNode{name: name}
			m.born(n)
			m.nodes = append(m.nodes, n)
		}
		stays[name] = true
		m.names = append(m.names, name)
	}
}

// clear ends the processes of nodes that are neither to stay nor members.
func (m *model) clear() {
	m.nodes = slices.DeleteFunc(m.nodes, func(n *modelNode) bool {
		gone := !slices.Contains(m.names, n.name) && (m.current == nil || !isMember(m.current, n.id))
		if gone {
			m.ended[n.id] = true
			m.cuts = make(map[[2]int]bool)
		}
		return gone
	})
}

// born makes a node another incarnation with empty memory.
func (m *model) born(n *modelNode) {
	m.ids++
	*n = modelNode{
		name: n.name, id: layout.ID{byte(m.ids >> 8), byte(m.ids), 1}, running: true,
		has: make(map[uint8]stamp), copied: make(map[uint8]bool), complete: make(map[uint8]bool), active: make(map[uint8]uint64),
	}
}

func (m *model) die(n *modelNode) {
	m.ended[n.id] = true
	n.running = false
}

func (n *modelNode) awake() bool { return n.running && !n.paused }

// happenings are what can happen, as often as they stand here.
var happenings = slices.Concat(
	slices.Repeat([]string{"die"}, 1), slices.Repeat([]string{"born"}, 2), slices.Repeat([]string{"pause"}, 1),
	slices.Repeat([]string{"adopt"}, 3), slices.Repeat([]string{"activate"}, 2), slices.Repeat([]string{"copy"}, 2),
	slices.Repeat([]string{"write"}, 2), slices.Repeat([]string{"purge", "cut"}, 1), slices.Repeat([]string{"author"}, 5),
	slices.Repeat([]string{"reshape", "clear"}, 1), slices.Repeat([]string{"calm"}, 3),
)

func (m *model) happen() {
	n := rapid.SampledFrom(m.nodes).Draw(m.T, "node")
	slot := rapid.SampledFrom(m.slots).Draw(m.T, "slot")
	switch rapid.SampledFrom(happenings).Draw(m.T, "what") {
	case "die":
		m.die(n)
	case "born":
		if !n.running {
			m.born(n)
		}
	case "pause":
		n.paused = n.running && !n.paused
	case "adopt":
		m.adopt(n)
	case "activate":
		m.activate(n, slot)
	case "copy":
		m.copy(n, slot)
	case "write":
		m.write(n, slot)
	case "purge":
		m.purge(n)
	case "cut":
		i, j := rapid.IntRange(0, len(m.nodes)-1).Draw(m.T, "i"), rapid.IntRange(0, len(m.nodes)-1).Draw(m.T, "j")
		m.cuts[[2]int{i, j}] = !m.cuts[[2]int{i, j}]
	case "author":
		m.author(m.look())
	case "reshape":
		if m.current != nil {
			m.reshape(rapid.SampledFrom(m.shapes).Draw(m.T, "shape"))
		}
	case "clear":
		m.clear()
	case "calm":
		for range rapid.IntRange(1, 8).Draw(m.T, "calm") {
			m.calm()
		}
	}
}

// adopt hands the newest layout to a node. One that was a member and is none drops what
// it has and goes on as another.
func (m *model) adopt(n *modelNode) {
	if !n.awake() || n.retired || m.current == nil || n.layout != nil && n.layout.Epoch >= m.current.Epoch {
		return
	}
	if n.layout != nil && isMember(n.layout, n.id) && !isMember(m.current, n.id) {
		if memberOf(n.layout, n.id).Phase == layout.Leaving {
			n.retired = true
		} else {
			m.ended[n.id] = true
			m.born(n)
		}
	}
	for _, slot := range m.slots {
		if loss := segmentOf(m.current, slot).Loss; n.has[slot].loss < loss {
			n.has[slot] = stamp{loss: loss}
			n.complete[slot], n.copied[slot] = false, false
		}
	}
	n.layout = m.current
}

// view is a node's view of a slot, and the owners whose acknowledgement it needs there,
// nil if one of them is not there in this view.
func (m *model) view(n *modelNode, slot uint8) (uint64, []*modelNode) {
	g := segmentOf(n.layout, slot)
	var owners []*modelNode
	for _, i := range g.Order {
		id := n.layout.Members[i].Incarnation
		j := slices.IndexFunc(m.nodes, func(o *modelNode) bool { return o.id == id && o.awake() && o.layout != nil })
		if j < 0 || segmentOf(m.nodes[j].layout, slot).View != g.View {
			return g.View, nil
		}
		owners = append(owners, m.nodes[j])
	}
	return g.View, owners
}

func (m *model) isPrimary(n *modelNode, slot uint8) bool {
	return n.awake() && n.layout != nil && primary(n.layout, segmentOf(n.layout, slot)) == n.id
}

// activate gathers from all owners, those that do not have everything too.
func (m *model) activate(n *modelNode, slot uint8) {
	if !m.isPrimary(n, slot) {
		return
	}
	view, owners := m.view(n, slot)
	if owners == nil {
		return
	}
	best := n.has[slot]
	for _, o := range owners {
		if best.less(o.has[slot]) {
			best = o.has[slot]
		}
	}
	for _, o := range owners {
		if o.everything(slot) {
			o.has[slot] = best
		}
	}
	n.active[slot] = view
}

// everything tells whether what a node has of a slot grows with each write.
func (n *modelNode) everything(slot uint8) bool {
	if n.layout == nil {
		return false
	}
	me := memberOf(n.layout, n.id)
	return me != nil && (me.Phase >= layout.Serving || n.complete[slot])
}

func (m *model) copy(n *modelNode, slot uint8) {
	if !n.awake() || n.layout == nil || !n.name.Range.Contains(slot) {
		return
	}
	me := memberOf(n.layout, n.id)
	g := segmentOf(n.layout, slot)
	from := slices.IndexFunc(m.nodes, func(o *modelNode) bool {
		return m.isPrimary(o, slot) && o.id == primary(n.layout, g) && o.active[slot] == g.View && segmentOf(o.layout, slot).View == g.View
	})
	if me == nil || from < 0 {
		return
	}
	switch me.Phase {
	case layout.Joining:
		n.copied[slot] = true
	case layout.Attached:
		n.complete[slot], n.has[slot] = true, m.nodes[from].has[slot]
	}
}

// write is acknowledged by all owners or does not happen.
func (m *model) write(n *modelNode, slot uint8) {
	if !m.isPrimary(n, slot) {
		return
	}
	view, owners := m.view(n, slot)
	if owners == nil || n.active[slot] != view {
		return
	}
	if n.has[slot] != m.committed[slot] {
		m.Fatalf("slot %d: %s orders a write after %v, but %v was acknowledged", slot, n.name, n.has[slot], m.committed[slot])
	}
	next := stamp{loss: m.committed[slot].loss, n: m.committed[slot].n + 1}
	m.committed[slot] = next
	for _, o := range owners {
		if o.everything(slot) {
			o.has[slot] = next
		}
	}
}

func (m *model) purge(n *modelNode) {
	if n.awake() && n.layout != nil {
		n.purged = n.layout.Epoch
	}
}

// look is what the author sees: some of it old, some of it not at all, and some who are
// well seem silent.
func (m *model) look() World {
	w := World{Silent: make(map[layout.ID]time.Duration), Ending: make(map[layout.ID]time.Duration)}
	for id := range m.ended {
		if rapid.IntRange(0, 2).Draw(m.T, "proven") > 0 {
			w.Dead = append(w.Dead, id)
		}
	}
	for _, n := range m.nodes {
		if n.awake() && rapid.IntRange(0, 3).Draw(m.T, "fresh") > 0 {
			n.said = m.status(n)
		}
		silence := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 300, 900, 1300, 40000}).Draw(m.T, "silent")) * time.Millisecond
		if !n.awake() {
			silence += 500 * time.Millisecond
		}
		if silence > 0 {
			w.Silent[n.id] = silence
		}
		if rapid.IntRange(0, 15).Draw(m.T, "ending") == 0 {
			w.Ending[n.id] = time.Second
		}
		if n.said != nil && silence < SuspectAfter {
			w.Seen = append(w.Seen, *n.said)
		}
	}
	slices.SortFunc(w.Dead, func(a, b layout.ID) int { return slices.Compare(a[:], b[:]) })
	return w
}

func (m *model) status(n *modelNode) *Observation {
	o := &Observation{Name: n.name, Address: "h:1", Incarnation: n.id, Purged: n.purged, Answering: time.Hour}
	if n.layout == nil {
		return o
	}
	o.Cluster, o.Epoch = cluster, n.layout.Epoch
	for _, g := range n.layout.Segments {
		if n.name.Range.Contains(g.Lo) {
			serving := slices.ContainsFunc(g.Order, func(i uint16) bool {
				return n.layout.Members[i].Incarnation == n.id && n.layout.Members[i].Phase == layout.Serving
			})
			o.Segments = append(o.Segments, peer.SegmentStatus{
				Lo: g.Lo, View: g.View, Copied: m.all(n.layout, g, func(s uint8) bool { return n.copied[s] }),
				Complete: serving || m.all(n.layout, g, func(s uint8) bool { return n.complete[s] }),
				Active:   m.all(n.layout, g, func(s uint8) bool { return m.isPrimary(n, s) && n.active[s] == g.View }),
			})
		}
	}
	i := slices.Index(m.nodes, n)
	for j, p := range m.nodes {
		switch {
		case p == n:
		case !p.awake() || m.cuts[[2]int{i, j}] || m.cuts[[2]int{j, i}]:
			o.Peers = append(o.Peers, peer.PeerStatus{Incarnation: p.id, Silent: 5000})
		default:
			o.Peers = append(o.Peers, peer.PeerStatus{Incarnation: p.id, Silent: 100})
		}
	}
	for i := range n.layout.Members {
		if j := &n.layout.Members[i]; j.Phase == layout.Joining {
			o.Joining = append(o.Joining, m.joining(n, j)...)
		}
	}
	return o
}

// joining is what a primary says of a member that joins. It may have had no time to be answered.
func (m *model) joining(n *modelNode, member *layout.Member) []peer.JoiningStatus {
	mine := func(slot uint8) bool { return member.Name.Range.Contains(slot) && m.isPrimary(n, slot) }
	if !slices.ContainsFunc(m.slots, mine) {
		return nil
	}
	i, j := slices.Index(m.nodes, n), slices.IndexFunc(m.nodes, func(o *modelNode) bool { return o.id == member.Incarnation && o.awake() })
	reached := j >= 0 && !m.cuts[[2]int{i, j}]
	if !m.calmly {
		reached = reached && rapid.IntRange(0, 4).Draw(m.T, "answered") > 0
	}
	return []peer.JoiningStatus{{Incarnation: member.Incarnation, Answered: reached, Silent: 100}}
}

// all tells whether something holds of all slots of a segment.
func (m *model) all(l *layout.Layout, g layout.Segment, is func(uint8) bool) bool {
	return !slices.ContainsFunc(m.slots, func(s uint8) bool { return segmentOf(l, s).Lo == g.Lo && !is(s) })
}

// author takes one step and has it examined, by the rules and by what is true.
func (m *model) author(w World) bool {
	before := m.current
	text := ""
	if before != nil {
		text = string(before.Encode())
	}
	next, why := Next(cluster, before, m.names, w)
	if before != nil && string(before.Encode()) != text {
		m.Fatal("the current layout was changed")
	}
	m.again(before, w, next, why)
	if next == nil {
		return false
	}
	examine(m.T, before, next, m.names, w)
	m.current = next
	for _, slot := range m.slots {
		g := segmentOf(next, slot)
		if g.Loss == next.Epoch {
			m.givenUp(before, slot)
			m.committed[slot] = stamp{loss: g.Loss}
		}
		for _, i := range g.Order {
			m.mayServe(&next.Members[i], slot)
		}
	}
	return true
}

// again sees the same in another order.
func (m *model) again(before *layout.Layout, w World, next *layout.Layout, why string) {
	slices.Reverse(w.Seen)
	slices.Reverse(w.Dead)
	other, whyOther := Next(cluster, before, m.names, w)
	if (next == nil) != (other == nil) || why != whyOther || next != nil && next.Hash() != other.Hash() {
		m.Fatalf("%q, and with the same seen in another order %q", why, whyOther)
	}
}

// mayServe checks that who serves has what was acknowledged, unless it has ended.
func (m *model) mayServe(member *layout.Member, slot uint8) {
	i := slices.IndexFunc(m.nodes, func(n *modelNode) bool { return n.id == member.Incarnation && n.running })
	if i < 0 || member.Phase != layout.Serving {
		return
	}
	if has := m.nodes[i].has[slot]; has != m.committed[slot] && m.committed[slot].n > 0 {
		m.Fatalf("slot %d: %s serves and has %v, but %v was acknowledged", slot, member.Name, has, m.committed[slot])
	}
}

// givenUp checks that nobody who lives has what is given up.
func (m *model) givenUp(before *layout.Layout, slot uint8) {
	for _, i := range segmentOf(before, slot).Order {
		member := &before.Members[i]
		for _, n := range m.nodes {
			if n.id == member.Incarnation && n.running && n.everything(slot) && n.has[slot] == m.committed[slot] {
				m.Fatalf("slot %d was given up, but %s (%s) has everything of it", slot, n.name, member.Phase)
			}
		}
	}
}

// heal ends all trouble. Then all must become well.
func (m *model) heal() {
	m.cuts = make(map[[2]int]bool)
	for _, n := range m.nodes {
		n.paused = false
		if !n.running {
			m.born(n)
		}
	}
	for range 100 {
		m.calm()
	}
	m.well()
}

// calm is a while without any trouble: all do what is to be done, and the author sees it.
func (m *model) calm() {
	m.calmly = true
	defer func() { m.calmly = false }()
	m.clear()
	m.everybody()
	w := World{Silent: make(map[layout.ID]time.Duration)}
	for id := range m.ended {
		w.Dead = append(w.Dead, id)
	}
	for _, n := range m.nodes {
		if n.awake() {
			w.Seen = append(w.Seen, *m.status(n))
		}
	}
	slices.SortFunc(w.Dead, func(a, b layout.ID) int { return slices.Compare(a[:], b[:]) })
	m.author(w)
}

// everybody does what is to be done.
func (m *model) everybody() {
	for _, n := range m.nodes {
		m.adopt(n)
	}
	if m.current == nil {
		return
	}
	for _, slot := range m.slots {
		for _, n := range m.nodes {
			m.activate(n, slot)
		}
		for _, n := range m.nodes {
			m.copy(n, slot)
			m.purge(n)
			m.write(n, slot)
		}
	}
}

func (m *model) well() {
	if len(m.current.Members) != len(m.names) || len(m.current.Dead) > 0 {
		m.Fatalf("members %+v, dead %v", m.current.Members, m.current.Dead)
	}
	want := layout.SegmentsOf(m.current.Members, 1)
	for _, g := range m.current.Segments {
		if order := at(want, g.Lo).Order; g.Loss != 0 || !slices.Equal(g.Order, order) {
			m.Fatalf("segment %+v, want order %v", g, order)
		}
		for _, j := range g.Order {
			m.mayServe(&m.current.Members[j], g.Lo)
		}
	}
}
