package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// chaos is a world in which messages are late, come twice or never, and the primary changes
// at any moment. One client for each key writes and waits for what becomes of it.
type chaos struct {
	*world
	rnd     *rand.Rand
	layouts []*layout.Layout
	air     []message      // on their way there
	back    []func()       // answers on their way back
	clients map[string]*Op // what each waits for
	at      map[string]*node
	want    map[string]byte // what was acknowledged last; 0: none
	next    map[string]byte // what it becomes if the operation succeeds
	acked   int
}

// Whatever the network does and whoever is the primary: all owners have the same in the end,
// and it is what was acknowledged last. The simulation beside this package does more.
func TestUnreliableNetwork(t *testing.T) {
	acked := 0
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w, _, _, _ := three(t)
			c := &chaos{
				world: w, rnd: rand.New(rand.NewPCG(seed, 1)), layouts: []*layout.Layout{founded(idP, idB, idC)},
				clients: map[string]*Op{}, at: map[string]*node{}, want: map[string]byte{}, next: map[string]byte{},
			}
			for range 2000 {
				c.step()
			}
			c.heal()
			c.check()
			acked += c.acked
		})
	}
	t.Logf("%d writes were acknowledged", acked)
	if acked < 300 {
		t.Errorf("only %d writes were acknowledged: nothing was tested", acked)
	}
}

func (c *chaos) any() *node { return c.nodes[c.order[c.rnd.IntN(len(c.order))]] }

func (c *chaos) step() {
	c.collect()
	switch n := c.rnd.IntN(100); {
	case n < 35 && len(c.air) > 0:
		i := c.rnd.IntN(len(c.air))
		m := c.air[i]
		c.air = slices.Delete(c.air, i, i+1)
		c.carry(m)
	case n < 60 && len(c.back) > 0:
		i := c.rnd.IntN(len(c.back))
		answer := c.back[i]
		c.back = slices.Delete(c.back, i, i+1)
		answer()
	case n < 75:
		c.write(string(rune('a' + c.rnd.IntN(4))))
	case n < 90:
		from, to := c.any(), c.any()
		if from != to {
			c.follow(to, from.epoch)
			c.beat(from.id, to.id)
		}
	case n < 98:
		c.pass(time.Duration(c.rnd.IntN(200)) * time.Millisecond)
	case n < 99:
		c.follow(c.any(), c.layouts[len(c.layouts)-1].Epoch)
	default:
		ids := slices.Clone(c.order)
		c.rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		epoch := uint64(len(c.layouts) + 1)
		c.layouts = append(c.layouts, owners(epoch, epoch, serving(ids...)...))
	}
}

// collect takes over what machines want sent.
func (c *chaos) collect() {
	for _, id := range c.order {
		c.air = append(c.air, c.nodes[id].sent()...)
	}
}

func (c *chaos) follow(n *node, epoch uint64) {
	if n.epoch < epoch {
		c.adopt(c.layouts[epoch-1], n.id)
	}
}

// carry brings a message there, or not, once or twice, and its answer on its way.
func (c *chaos) carry(m message) {
	lost := func() { c.answer(m, nil, false) }
	if c.rnd.IntN(5) == 0 {
		c.back = append(c.back, lost)
		return
	}
	c.follow(c.nodes[m.to], m.from.epoch)
	reply, ok := c.arrive(m)
	if m.replicate != nil && c.rnd.IntN(5) == 0 {
		late := m
		c.back = append(c.back, func() { c.arrive(late) })
	}
	if c.rnd.IntN(5) == 0 {
		c.back = append(c.back, lost)
		return
	}
	c.back = append(c.back, func() { c.answer(m, reply, ok) })
}

// write has a key's client go on: it writes if it does not wait for anything.
func (c *chaos) write(key string) {
	c.hear(key)
	if c.clients[key] != nil {
		return
	}
	value := byte(1 + c.rnd.IntN(250))
	w := put(key, value)
	if c.rnd.IntN(3) == 0 {
		w, value = del(key), 0
	} else if c.rnd.IntN(2) == 0 {
		w = on(w, c.want[key])
	}
	n := c.any()
	c.clients[key], c.at[key], c.next[key] = n.order(w), n, value
	c.hear(key)
}

// hear has a client hear what became of its write.
func (c *chaos) hear(key string) {
	op := c.clients[key]
	if op == nil {
		return
	}
	switch err := c.at[key].ended(op); {
	case err == nil:
		c.want[key] = c.next[key]
		c.acked++
	case err == errWaiting: //nolint:errorlint // it is this very one
		return
	case err == kv.ErrPrecondition, err == kv.ErrNotFound && c.want[key] != 0: //nolint:errorlint // as they are
		c.t.Errorf("%s: %v, and it has %d", key, err, c.want[key])
	}
	delete(c.clients, key)
}

// heal has everything arrive, and no more happen.
func (c *chaos) heal() {
	newest := c.layouts[len(c.layouts)-1]
	for _, id := range c.order {
		c.follow(c.nodes[id], newest.Epoch)
	}
	for quiet := 0; quiet < 5; quiet++ {
		c.collect()
		for _, m := range c.air {
			c.back = append(c.back, func() { c.deliver(m) })
			quiet = 0
		}
		c.air = nil
		for _, answer := range c.back {
			answer()
		}
		c.back = nil
		c.pass(time.Second)
		c.beats()
	}
	for _, key := range []string{"a", "b", "c", "d"} {
		c.hear(key)
	}
}

func (c *chaos) check() {
	if len(c.clients) != 0 {
		c.t.Errorf("%d writes have not ended", len(c.clients))
	}
	primary := c.nodes[c.layouts[len(c.layouts)-1].Members[0].Incarnation]
	for key, want := range c.want {
		primary.has(key, want)
		for _, id := range c.order {
			c.nodes[id].stores(key, want)
		}
	}
	for _, id := range c.order {
		n := c.nodes[id]
		if s := n.store.Stats(); s.Tombstones != 0 || len(n.slots[slotK].backup.unsettled) != 0 || len(n.busy.refs) != 0 {
			c.t.Errorf("%d is left with %d tombstones, unsettled %v, under way %v",
				id[0], s.Tombstones, n.slots[slotK].backup.unsettled, n.busy.refs)
		}
	}
	if marks := primary.Marks(idP, new([layout.Slots]kv.Version)); primary.id != idP && !slices.Contains(marks, wire.Mark{
		Slot: slotK, Version: kv.Version{View: primary.slots[slotK].view, N: primary.slots[slotK].order.last},
	}) {
		c.t.Error("the watermark is not where it should be")
	}
}
