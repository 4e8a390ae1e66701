package replica

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var idP, idB, idC, idD, idClient = layout.ID{1}, layout.ID{2}, layout.ID{3}, layout.ID{4}, layout.ID{9}

// slotK is the slot of all keys here, unless a test says otherwise.
const slotK = 77

// world is some machines, a clock for all of them, and the messages between them, which
// wait until a test delivers them.
type world struct {
	t     *testing.T
	now   time.Duration
	nodes map[layout.ID]*node
	order []layout.ID
}

// node is one machine in a world.
type node struct {
	*Machine
	w       *world
	id      layout.ID
	epoch   uint64
	store   *store.Store
	ready   map[layout.ID]error // what Ready says of the others
	out     []message           // what it wants sent
	dropped []uid.UID
	writes  uint64
	woken   int // how often it was said that it has become active
}

// memory is a store as a node has it.
type memory struct{ *store.Store }

func (m memory) Clear(slot uint8) { m.Store.Clear(slot) }

// message is what one machine wants another one to be sent.
type message struct {
	from      *node
	to        layout.ID
	replicate *Replicate // or
	gather    *Gather
}

// newWorld has machines for some members, all of which adopt the layout.
func newWorld(t *testing.T, l *layout.Layout, ids ...layout.ID) *world {
	w := &world{t: t, now: time.Hour, nodes: make(map[layout.ID]*node), order: ids}
	for _, id := range ids {
		n := &node{w: w, id: id, store: store.New(store.Options{}), ready: make(map[layout.ID]error)}
		n.Machine = New(Options{
			Self: id, Entries: memory{n.store}, Second: time.Second,
			Ready: func(m *layout.Member, _ int64) error { return n.ready[m.Incarnation] },
			Tick:  func() uint64 { return uint64(w.now.Milliseconds()) },
			Wall:  func() time.Time { return time.Unix(0, int64(w.now)) },
		})
		t.Cleanup(n.store.Close)
		w.nodes[id] = n
	}
	w.adopt(l, ids...)
	return w
}

// adopt has machines adopt a layout, and nothing else happens.
func (w *world) adopt(l *layout.Layout, ids ...layout.ID) {
	w.t.Helper()
	if err := l.Validate(); err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		n := w.nodes[id]
		n.epoch = l.Epoch
		n.take(n.Adopt(layout.NewTable(l), w.now))
	}
}

func (w *world) clock() time.Duration { return w.now }

// pass lets time go by, and all machines do what is due.
func (w *world) pass(d time.Duration) {
	w.now += d
	for _, id := range w.order {
		n := w.nodes[id]
		n.take(n.Tick(w.now))
	}
}

// take keeps what is to be sent.
func (n *node) take(fx Effects) {
	for _, r := range fx.Replicates {
		n.out = append(n.out, message{from: n, to: r.To.Incarnation, replicate: r})
	}
	for _, g := range fx.Gathers {
		n.out = append(n.out, message{from: n, to: g.To.Incarnation, gather: g})
	}
	n.dropped = append(n.dropped, fx.Dropped...)
	if fx.Activated {
		n.woken++
	}
}

// sent takes what a machine wants sent out of the world: it is the test's.
func (n *node) sent() []message {
	out := n.out
	n.out = nil
	return out
}

// arrive brings a message to the machine that it is for, and tells whether that accepted it.
// The sender hears nothing.
func (w *world) arrive(m message) (*wire.Gathered, bool) {
	to := w.nodes[m.to]
	if m.replicate != nil {
		return nil, to.Accept(m.from.id, &m.replicate.Msg) == nil
	}
	reply, err := to.Unsettled(m.from.id, &m.gather.Gather)
	return &reply, err == nil
}

// answer tells the sender what became of a message.
func (w *world) answer(m message, reply *wire.Gathered, ok bool) {
	switch {
	case m.replicate != nil:
		m.from.take(m.from.Replicated(m.replicate, ok, w.now))
	case ok:
		m.from.take(m.from.Gathered(m.gather, reply, w.now))
	default:
		m.from.take(m.from.Gathered(m.gather, nil, w.now))
	}
}

// deliver brings a message and its answer to their ends.
func (w *world) deliver(m message) {
	reply, ok := w.arrive(m)
	w.answer(m, reply, ok)
}

// run delivers all messages, and those that come of them.
func (w *world) run() {
	for range 10_000 {
		var m *message
		for _, id := range w.order {
			if n := w.nodes[id]; len(n.out) > 0 {
				m = &n.out[0]
				n.out = n.out[1:]
				break
			}
		}
		if m == nil {
			return
		}
		w.deliver(*m)
	}
	w.t.Fatal("messages without end")
}

// beat is one machine's beat for another one, and its answer: all of it now.
func (w *world) beat(from, to layout.ID) (granted bool) {
	f, t := w.nodes[from], w.nodes[to]
	if !t.Grant(from, f.epoch, w.now) {
		return false
	}
	t.Settle(from, f.Marks(to, new([layout.Slots]kv.Version)))
	f.Granted(to, t.epoch, w.now)
	return true
}

// beats has all machines beat for all others.
func (w *world) beats() {
	for _, from := range w.order {
		for _, to := range w.order {
			if from != to {
				w.beat(from, to)
			}
		}
	}
}

// order begins a write with a ticket and an epoch of now.
func (n *node) order(w *wire.Write) *Op {
	w.Ticket, w.Placed = wire.Ticket{Incarnation: n.id, Clock: n.opt.Tick()}, n.epoch
	n.writes++
	w.ID = n.writes
	op, fx := n.Order(slotK, w, idClient, n.w.clock)
	n.take(fx)
	return op
}

// put is a write of a value that is named by one byte.
func put(key string, value byte) *wire.Write {
	return &wire.Write{Key: key, UID: uid.UID{value}, Size: 1}
}

func del(key string) *wire.Write { return &wire.Write{Key: key, Delete: true} }

// on has a write demand that the key has this value; 0: none.
func on(w *wire.Write, value byte) *wire.Write {
	if value == 0 {
		w.Cond.NoMatch = kv.Tags{Given: true, Any: true}
	} else {
		w.Cond.Match = kv.Tags{Given: true, UIDs: []uid.UID{{value}}}
	}
	return w
}

var errWaiting = errors.New("it has not ended")

// ended is how an operation ended.
func (n *node) ended(op *Op) error {
	if op.Done() != nil {
		select {
		case <-op.Done():
		default:
			return errWaiting
		}
	}
	_, err := n.Result(op, n.w.clock)
	return err
}

// has checks what a machine answers readers; 0: no such key.
func (n *node) has(key string, value byte) {
	n.w.t.Helper()
	e, err := n.Entry(slotK, key, n.w.clock)
	switch {
	case value == 0 && !errors.Is(err, kv.ErrNotFound):
		n.w.t.Errorf("%s: %v %v, want none", key, e.UID[0], err)
	case value != 0 && (err != nil || e.UID != uid.UID{value}):
		n.w.t.Errorf("%s: %v %v, want %d", key, e.UID[0], err, value)
	}
}

// stores checks what a machine has in its memory, which may be unsettled; 0: a tombstone
// or nothing.
func (n *node) stores(key string, value byte) {
	n.w.t.Helper()
	e, ok := n.store.Entry(slotK, key)
	if got := (!ok || e.Deleted); got != (value == 0) || !got && e.UID != (uid.UID{value}) {
		n.w.t.Errorf("%s at %d: %v %v, want %d", key, n.id[0], e.UID[0], ok, value)
	}
}

func (n *node) active() bool { return n.State(slotK, n.w.now).Active }

// refuses checks that a machine answers nothing, for this reason.
func (n *node) refuses(reason kv.Reason) {
	n.w.t.Helper()
	if _, err := n.Entry(slotK, "k", n.w.clock); kv.ReasonOf(err) != reason {
		n.w.t.Errorf("a reader hears %v, want %s", err, reason)
	}
	if err := n.ended(n.order(put("k", 99))); kv.ReasonOf(err) != reason {
		n.w.t.Errorf("a writer hears %v, want %s", err, reason)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// because checks why something was refused.
func because(t *testing.T, err error, reason kv.Reason) {
	t.Helper()
	if kv.ReasonOf(err) != reason {
		t.Errorf("%v, want %s", err, reason)
	}
}

// ask asks a machine whether an entry refers to a value.
func (n *node) ask(value byte) (bool, error) {
	a, err := n.Refers([]wire.Ref{{UID: uid.UID{value}, Slot: wire.AnySlot}}, n.epoch, n.w.clock)
	return err == nil && a.Slots[0] == slotK, err
}

// refers is ask where an answer is certain.
func (n *node) refers(value byte) bool {
	n.w.t.Helper()
	yes, err := n.ask(value)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return yes
}

// asks is a question about slots that have one view.
func asks(view uint64, slots ...uint8) *wire.Gather {
	q := &wire.Gather{Slots: slots}
	for range slots {
		q.Views = append(q.Views, view)
	}
	return q
}
