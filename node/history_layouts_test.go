package node

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
)

// Owners hand their slots over to each other, back and forth, and each node hears of that
// when it does; no write that was answered is lost, and no read is stale.
func TestHistoryWithHandOvers(t *testing.T) {
	t.Parallel()
	c, faults := faultyCluster(t, 3, 2, nil)
	h := newHistory(t, c)
	h.run(historyKeys, func() {
		rnd := rand.New(rand.NewPCG(7, 7))
		for c.layout.Epoch < 16 {
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
			f := faults[rnd.IntN(len(faults))]
			switch rnd.IntN(4) {
			case 0:
				f.stall()
				time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
				f.resume()
			case 1:
				f.reset()
			default:
				c.write((*draft).reverse)
				c.tell(c.nodes[rnd.IntN(len(c.nodes))])
			}
		}
	})
	c.tell(c.nodes...)
	h.end(historyKeys)
}

// A primary is cut off and removed, and does not know; its clients still ask it. What it
// does not know any more it does not answer, and when it hears of its end it stops.
func TestHistoryWithARemovedPrimary(t *testing.T) {
	t.Parallel()
	c, faults := faultyCluster(t, 1, 2, nil)
	h := newHistory(t, c)
	removed, stays := c.nodes[0], c.nodes[1]
	h.run(historyKeys, func() {
		time.Sleep(300 * time.Millisecond)
		for _, f := range faults {
			f.cut()
		}
		c.write(func(d *draft) { d.remove(removed, false) })
		c.tell(stays)
		c.says(stays, "is active", active)
		time.Sleep(300 * time.Millisecond)
		if removed.state.Gone() {
			t.Error("it has heard of its end; nothing was tested")
		}
		h.mayEnd(removed)
		for _, f := range faults {
			f.mend()
		}
		c.eventually(removed.state.Gone, "it hears of its end")
		h.leave(removed)
		time.Sleep(300 * time.Millisecond)
	})
	if err := removed.stop(); !errors.Is(err, ErrRemoved) || !removed.wiped {
		t.Errorf("it ended with %v, wiped %v", err, removed.wiped)
	}
	c.nodes = []*running{stays}
	h.end(historyKeys)
}

// A member takes another one's place while clients read and write: it joins, is attached,
// serves, becomes the primary, and the other one retires, which is asked all the time. At no
// time is anything missing.
func TestHistoryWithAMemberReplaced(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, nil)
	all := c.fill()
	h := newHistory(t, c)
	goes, stays := c.nodes[0], c.nodes[1]
	comes := startNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 255}}, plenty, nil)
	h.run(historyKeys, func() {
		c.write(func(d *draft) { d.admit(comes) })
		c.tell(comes)
		h.ask(comes)
		c.unready(comes, "joining: ")
		c.says(comes, "has copied", copied)
		c.write(func(d *draft) { d.phase(comes, layout.Attached) })
		c.tell(stays)
		c.unready(comes, "attached: ")
		c.says(comes, "is complete", complete)
		c.write(func(d *draft) { d.phase(comes, layout.Serving) })
		c.tell(goes)
		c.eventually(func() bool { return comes.Ready() == nil }, "it is ready")
		c.says(comes, "is complete", complete)
		c.keeps(all, 0, 1)
		c.write(func(d *draft) { d.first(comes) })
		c.tell(stays)
		c.says(comes, "is active", active)
		c.write(func(d *draft) { d.phase(goes, layout.Leaving) })
		c.tell(comes)
		c.unready(goes, "leaving")
		c.says(comes, "is active", active)
		c.write(func(d *draft) { d.remove(goes, false) })
		c.tell(goes, comes)
		c.unready(goes, "retired: ")
		time.Sleep(200 * time.Millisecond)
	})
	if err := goes.stop(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	c.nodes = []*running{stays, comes}
	c.eventually(func() bool { return c.same(stays, comes) == "" }, "both have the same")
	c.keeps(all, 0, 1)
	for key := range all {
		c.do(0, "DELETE", key, nil)
	}
	h.end(historyKeys)
}

// unready waits until a node is not ready, for a reason that begins so.
func (c *cluster) unready(n *running, reason string) {
	c.t.Helper()
	c.eventually(func() bool {
		err := n.Ready()
		s := n.Status()
		return err != nil && strings.HasPrefix(err.Error(), reason) && !s.Ready && strings.HasPrefix(s.Reason, reason)
	}, n.cfg.Name.String()+" is not ready: "+reason)
}

// same says what one of two nodes has and the other has not; nothing is written meanwhile.
func (c *cluster) same(a, b *running) string {
	for slot := range layout.Slots {
		if x, y := a.entries(uint8(slot)), b.entries(uint8(slot)); !slices.Equal(x, y) {
			return "entries"
		}
		x, y := a.store.Values(uint8(slot), uid.UID{}, 1000), b.store.Values(uint8(slot), uid.UID{}, 1000)
		if !slices.EqualFunc(x, y, func(x, y store.Info) bool { return x.UID == y.UID && x.Size == y.Size }) {
			return "values"
		}
	}
	return ""
}

// entries are what a node has of a slot.
func (n *running) entries(slot uint8) (all []kv.Entry) {
	n.store.Entries(slot, "", func(e *kv.Entry) bool {
		copied := *e
		copied.Key, copied.ContentType = strings.Clone(e.Key), strings.Clone(e.ContentType)
		all = append(all, copied)
		return true
	})
	return all
}
