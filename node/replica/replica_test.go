package replica

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var idP, idB, idC = layout.ID{1}, layout.ID{2}, layout.ID{3}

const slotK = 77

// founded is a layout of whole-ring members, of which the first is primary everywhere.
func founded(epoch, view uint64, members ...layout.ID) *layout.Layout {
	l := &layout.Layout{Cluster: layout.ID{99}, Epoch: epoch}
	for _, id := range members {
		l.Members = append(l.Members, layout.Member{
			Name:    layout.Name{Base: string(rune('a' + id[0])), Range: layout.Range{Lo: 0, Hi: 255}},
			Address: "x:1", Incarnation: id, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Segments = layout.SegmentsOf(l.Members, view)
	return l
}

// net is what lies between a primary and its backups.
type net struct {
	mu    sync.Mutex
	ready map[layout.ID]error
	// deliver takes a message to a backup and returns what the primary hears.
	deliver func(ctx context.Context, m *layout.Member, r *wire.Replicate) error
	sent    atomic.Int64
}

func (n *net) Ready(m *layout.Member, _ int64) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ready[m.Incarnation]
}

func (n *net) Replicate(ctx context.Context, m *layout.Member, r *wire.Replicate) error {
	n.sent.Add(1)
	n.mu.Lock()
	deliver := n.deliver
	n.mu.Unlock()
	return deliver(ctx, m, r)
}

func (n *net) set(deliver func(context.Context, *layout.Member, *wire.Replicate) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deliver = deliver
}

func delivered(context.Context, *layout.Member, *wire.Replicate) error { return nil }
func lost(context.Context, *layout.Member, *wire.Replicate) error      { return errors.New("lost") }

type primary struct {
	*Replica
	t       *testing.T
	net     *net
	store   *store.Store
	dropped chan uid.UID
}

// newPrimary is the primary of all slots, with the members that come after it as backups.
func newPrimary(t *testing.T, l *layout.Layout) *primary {
	p := &primary{t: t, net: &net{ready: map[layout.ID]error{}, deliver: delivered}, store: store.New(store.Options{}), dropped: make(chan uid.UID, 1000)}
	p.Replica = newReplica(idP, p.store, p.net, func(u uid.UID) { p.dropped <- u })
	p.Adopt(layout.NewTable(l))
	t.Cleanup(p.store.Close)
	t.Cleanup(p.Close)
	return p
}

func newReplica(self layout.ID, s *store.Store, b Backups, dropped func(uid.UID)) *Replica {
	return New(Options{Self: self, Entries: s, Backups: b, Dropped: dropped, Now: time.Now, TicketAge: TicketAge * time.Second})
}

func ticket() wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: peer.Clock()} }

func (p *primary) order(w *wire.Write) error {
	w.Ticket = ticket()
	_, err := p.Order(context.Background(), slotK, w, layout.ID{9})
	return err
}

// start orders a write and returns where its outcome is going to come.
func (p *primary) start(w *wire.Write) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.order(w) }()
	synctest.Wait()
	return done
}

func (p *primary) has(key string, value byte) {
	p.t.Helper()
	e, err := p.Entry(slotK, key)
	switch {
	case value == 0 && !errors.Is(err, kv.ErrNotFound):
		p.t.Errorf("%s: %v %v, want none", key, e.UID, err)
	case value != 0 && (err != nil || e.UID != uid.UID{value}):
		p.t.Errorf("%s: %v %v, want %d", key, e.UID, err, value)
	}
}

func (p *primary) refers(value byte) bool {
	p.t.Helper()
	a, err := p.Refers([]wire.Ref{{UID: uid.UID{value}, Slot: wire.AnySlot}})
	if err != nil {
		p.t.Fatal(err)
	}
	return a.Slots[0] == slotK
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

func waiting(t *testing.T, done <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("it ended before its time: %v", err)
	default:
	}
}

func inBubble(f func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

var founders = founded(1, 1, idP, idB, idC)

func TestNotAcknowledgedBeforeAllHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrimary(t, founders)
		is(t, p.order(put("k", 1)), nil)
		late := make(chan struct{})
		p.net.set(func(_ context.Context, m *layout.Member, _ *wire.Replicate) error {
			if m.Incarnation == idC {
				<-late
			}
			return nil
		})
		done := p.start(put("k", 2))
		time.Sleep(4 * time.Second)
		waiting(t, done)
		p.has("k", 1)
		if !p.refers(1) || !p.refers(2) {
			t.Error("a write under way counts with neither what it brings nor what it replaces")
		}
		close(late)
		is(t, <-done, nil)
		p.has("k", 2)
		if u := <-p.dropped; p.refers(1) || u != (uid.UID{1}) || len(p.dropped) != 0 {
			t.Errorf("the value that was replaced is still referred to, or %v was hinted at", u)
		}
	})
}

func TestOutcomes(t *testing.T) {
	t.Run("sent again until it arrives", inBubble(func(t *testing.T) {
		p := newPrimary(t, founders)
		p.net.set(lost)
		done := p.start(put("k", 1))
		time.Sleep(3 * time.Second)
		waiting(t, done)
		p.net.set(delivered)
		is(t, <-done, nil)
		p.has("k", 1)
	}))
	t.Run("unknown, and done later", inBubble(func(t *testing.T) {
		p := newPrimary(t, founders)
		p.net.set(lost)
		began := time.Now()
		is(t, p.order(put("k", 1)), kv.ErrUnknown)
		if took := time.Since(began); took < orderTimeout || took > orderTimeout+retryMax {
			t.Errorf("unknown after %v", took)
		}
		p.has("k", 0)
		is(t, p.order(put("k", 2)), kv.ErrUnavailable) // its turn never came
		time.Sleep(time.Minute)
		if n := p.net.sent.Load(); n > 300 {
			t.Errorf("sent %d times in a minute", n)
		}
		p.net.set(delivered)
		time.Sleep(2 * retryMax)
		p.has("k", 1)
		is(t, p.order(put("k", 3)), nil)
		p.has("k", 3)
		if v := p.Marks(idB, new([layout.Slots]kv.Version)); len(v) != 1 || v[0].Version != (kv.Version{View: 1, N: 2}) {
			t.Errorf("watermarks %v", v)
		}
	}))
	t.Run("not ordered", inBubble(func(t *testing.T) {
		p := newPrimary(t, founders)
		is(t, p.order(put("k", 1)), nil)
		sent := p.net.sent.Load()
		for _, want := range []error{kv.ErrUnavailable, kv.ErrNoMemory} {
			p.net.ready[idC] = want
			is(t, p.order(put("k", 2)), want)
			is(t, p.order(put("j", 2)), want)
		}
		p.net.ready[idC] = kv.ErrUnavailable
		is(t, p.order(&wire.Write{Key: "k", Delete: true}), kv.ErrUnavailable)
		p.net.ready[idC] = nil
		for name, bad := range map[string]wire.Ticket{
			"old":     {Incarnation: idP, Clock: peer.Clock() - TicketAge*1000 - 1},
			"future":  {Incarnation: idP, Clock: peer.Clock() + 1000},
			"another": {Incarnation: idB, Clock: peer.Clock()},
		} {
			w := put("k", 2)
			w.Ticket = bad
			if _, err := p.Order(t.Context(), slotK, w, idB); !errors.Is(err, ErrTicket) {
				t.Errorf("%s ticket: %v", name, err)
			}
		}
		p.has("k", 1)
		if p.net.sent.Load() != sent {
			t.Error("what was refused was sent")
		}
		p.net.ready[idC] = kv.ErrNoMemory // a delete takes no more memory than it gives back
		is(t, p.order(&wire.Write{Key: "k", Delete: true}), nil)
		p.has("k", 0)
	}))
	t.Run("one at a time for a key", inBubble(func(t *testing.T) {
		p := newPrimary(t, founders)
		gate := make(chan struct{})
		p.net.set(func(_ context.Context, _ *layout.Member, r *wire.Replicate) error {
			if r.Entry.UID == (uid.UID{1}) {
				<-gate
			}
			return nil
		})
		first := p.start(put("k", 1))
		second := p.start(&wire.Write{Key: "k", UID: uid.UID{2}, Cond: kv.Conditions{NoMatch: kv.Tags{Given: true, Any: true}}})
		third := p.start(&wire.Write{Key: "k", UID: uid.UID{3}, Cond: kv.Conditions{Match: kv.Tags{Given: true, UIDs: []uid.UID{{1}}}}})
		is(t, p.order(put("j", 4)), nil)
		waiting(t, first)
		waiting(t, second) // a 412 too waits for what it is judged by (F1)
		waiting(t, third)
		close(gate)
		is(t, <-first, nil)
		is(t, <-second, kv.ErrPrecondition)
		is(t, <-third, nil)
		p.has("k", 3)
	}))
}

func TestAdopt(t *testing.T) {
	t.Run("the same owners", inBubble(func(t *testing.T) {
		p := newPrimary(t, founders)
		p.net.set(lost)
		done := p.start(put("k", 1))
		next := founded(2, 1, idP, idB, idC)
		next.Members = append(next.Members, next.Members[2])
		next.Members[3].Incarnation, next.Members[3].JoinEpoch, next.Members[3].Phase = layout.ID{4}, 2, layout.Joining
		p.Adopt(layout.NewTable(next))
		p.net.set(delivered)
		is(t, <-done, nil)
		p.has("k", 1)
		is(t, p.order(put("k", 2)), nil)
	}))
	t.Run("other owners", inBubble(func(t *testing.T) {
		p := newPrimary(t, founders)
		is(t, p.order(put("j", 7)), nil)
		adopted := make(chan struct{})
		p.net.set(func(context.Context, *layout.Member, *wire.Replicate) error {
			<-adopted
			return nil
		})
		done := p.start(put("k", 1))
		p.Adopt(layout.NewTable(founded(2, 2, idP, idB)))
		close(adopted)
		is(t, <-done, kv.ErrUnknown) // what it heard of the old owners does not count (F3)
		is(t, p.order(put("k", 2)), kv.ErrUnavailable)
		_, err := p.Entry(slotK, "j")
		is(t, err, kv.ErrUnavailable)
		if _, err = p.Active(); !errors.Is(err, kv.ErrUnavailable) {
			t.Error("a list would leave out what this node can't answer for")
		}
		// Nobody may take its silence for a no (F27).
		for _, slot := range []int{slotK, wire.AnySlot} {
			_, err = p.Refers([]wire.Ref{{UID: uid.UID{42}, Slot: slot}})
			is(t, err, kv.ErrUnavailable)
		}
		if p.busy.refs[pendingRef{uid.UID{1}, slotK}] != 0 {
			t.Error("a write of another view is still counted as under way")
		}
	}))
	t.Run("not the primary", inBubble(func(t *testing.T) {
		p := newPrimary(t, founded(1, 1, layout.ID{0, 1}, idP))
		is(t, p.order(put("k", 1)), kv.ErrUnavailable)
		_, err := p.Entry(slotK, "k")
		is(t, err, kv.ErrUnavailable)
		a, err := p.Refers([]wire.Ref{{UID: uid.UID{1}, Slot: wire.AnySlot}})
		if err != nil || a.Slots[0] != wire.AnySlot {
			t.Errorf("of none of its slots: %v %v", a, err)
		}
	}))
}

func TestAccept(t *testing.T) {
	entry := func(n uint64, value byte) kv.Entry {
		return kv.Entry{Key: "k", UID: uid.UID{value}, Version: kv.Version{View: 1, N: n}, Deleted: value == 0}
	}
	s := store.New(store.Options{})
	defer s.Close()
	b := newReplica(idB, s, nil, nil)
	defer b.Close()
	accept := func(from layout.ID, watermark uint64, e kv.Entry) error {
		return b.Accept(from, &wire.Replicate{Slot: slotK, Watermark: watermark, Entry: e})
	}
	is(t, accept(idP, 0, entry(1, 1)), kv.ErrUnavailable) // no layout
	b.Adopt(layout.NewTable(founders))
	is(t, accept(idC, 0, entry(1, 1)), kv.ErrUnavailable)
	old := entry(1, 1)
	old.Version.View = 2
	is(t, accept(idP, 0, old), kv.ErrUnavailable)
	if _, ok := s.Entry(slotK, "k"); ok {
		t.Fatal("what was refused was stored")
	}
	is(t, accept(idP, 0, entry(1, 1)), nil)
	is(t, accept(idP, 1, entry(2, 0)), nil)
	b.Settle(idC, []wire.Mark{{Slot: slotK, Version: kv.Version{View: 1, N: 2}}})
	b.Settle(idP, []wire.Mark{{Slot: slotK, Version: kv.Version{View: 2, N: 2}}})
	if s.Stats().Tombstones != 1 {
		t.Fatal("a tombstone was forgotten too early")
	}
	b.Settle(idP, []wire.Mark{{Slot: slotK, Version: kv.Version{View: 1, N: 2}}})
	if s.Stats().Tombstones != 0 {
		t.Fatal("a tombstone that is everywhere was kept")
	}
	for _, n := range []uint64{1, 2} {
		is(t, accept(idP, 0, entry(n, byte(2-n))), nil) // a late copy
	}
	if e, ok := s.Entry(slotK, "k"); ok {
		t.Errorf("a deleted key came back: %+v (F23)", e)
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrimary(t, founders)
		p.net.set(lost)
		done := p.start(put("k", 1))
		next := p.start(put("k", 2))
		began := time.Now()
		p.Close()
		is(t, <-done, kv.ErrUnknown)
		is(t, <-next, kv.ErrUnavailable)
		if took := time.Since(began); took > time.Second {
			t.Errorf("closing took %v", took)
		}
		if err := p.order(put("j", 1)); err == nil {
			t.Error("a write was acknowledged after the end")
		}
	})
}

// A network that delays, repeats and loses messages and answers leaves all owners with
// the same entries and no tombstones.
func TestUnreliableNetwork(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) { unreliable(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func unreliable(t *testing.T, rnd *rand.Rand) {
	backups := map[layout.ID]*Replica{}
	stores := map[layout.ID]*store.Store{}
	for _, id := range []layout.ID{idB, idC} {
		s := store.New(store.Options{})
		stores[id], backups[id] = s, newReplica(id, s, nil, nil)
		backups[id].Adopt(layout.NewTable(founders))
		defer s.Close()
		defer backups[id].Close()
	}
	p := newPrimary(t, founders)
	var mu sync.Mutex
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rnd.IntN(n)
	}
	var late sync.WaitGroup
	p.net.set(func(_ context.Context, m *layout.Member, r *wire.Replicate) error {
		c := *r
		for range draw(3) {
			late.Go(func() {
				time.Sleep(time.Duration(draw(20)) * time.Second)
				_ = backups[m.Incarnation].Accept(idP, &c)
			})
		}
		if draw(3) == 0 {
			return errors.New("lost")
		}
		time.Sleep(time.Duration(draw(500)) * time.Millisecond)
		err := backups[m.Incarnation].Accept(idP, r)
		if draw(3) == 0 {
			return errors.New("its answer was lost")
		}
		return err
	})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 12 {
				w := put(string(rune('a'+draw(3))), byte(1+draw(4)))
				if draw(3) == 0 {
					w = &wire.Write{Key: w.Key, Delete: true}
				}
				_ = p.order(w) // whatever it is, all must agree
			}
		})
	}
	clients.Wait()
	time.Sleep(time.Minute) // what is under way arrives, and what is late
	late.Wait()
	for id, b := range backups {
		b.Settle(idP, p.Marks(id, new([layout.Slots]kv.Version)))
		if n := stores[id].Stats().Tombstones; n != 0 {
			t.Errorf("%d tombstones", n)
		}
		if len(b.slots[slotK].backup.unsettled) != 0 {
			t.Errorf("unsettled: %v", b.slots[slotK].backup.unsettled)
		}
		for _, key := range []string{"a", "b", "c"} {
			want, had := p.store.Entry(slotK, key)
			if got, ok := stores[id].Entry(slotK, key); got != want || ok != had {
				t.Errorf("%s: %+v at a backup, %+v at the primary", key, got, want)
			}
		}
	}
}
