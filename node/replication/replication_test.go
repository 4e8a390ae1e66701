package replication

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var idP, idB, idC = layout.ID{1}, layout.ID{2}, layout.ID{3}

const slotK = 77

// network is what lies between a primary and the other owners.
type network struct {
	mu      sync.Mutex
	deliver func(ctx context.Context, m *layout.Member) error
	sent    atomic.Int64
	gathers atomic.Int64
}

func (n *network) set(deliver func(context.Context, *layout.Member) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deliver = deliver
}

func (n *network) do(ctx context.Context, m *layout.Member) error {
	n.mu.Lock()
	deliver := n.deliver
	n.mu.Unlock()
	return deliver(ctx, m)
}

func (n *network) Replicate(ctx context.Context, m *layout.Member, _ *wire.Replicate) error {
	n.sent.Add(1)
	return n.do(ctx, m)
}

func (n *network) Gather(ctx context.Context, m *layout.Member, q *wire.Gather) (wire.Gathered, error) {
	n.gathers.Add(1)
	return wire.Gathered{Slots: len(q.Slots)}, n.do(ctx, m)
}

func delivered(context.Context, *layout.Member) error { return nil }
func lost(context.Context, *layout.Member) error      { return errors.New("lost") }

// until holds every message until the channel is closed, or the sending is given up.
func until(open <-chan struct{}) func(context.Context, *layout.Member) error {
	return func(ctx context.Context, _ *layout.Member) error {
		select {
		case <-open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// primary is a machine and its driver: the primary of all slots.
type primary struct {
	*Driver
	t         *testing.T
	net       *network
	dropped   chan uid.UID
	activated atomic.Int64
}

func newPrimary(t *testing.T, l *layout.Layout) *primary {
	start := time.Now()
	clock := func() time.Duration { return time.Hour + time.Since(start) }
	s := store.New(store.Options{})
	p := &primary{t: t, net: &network{deliver: delivered}, dropped: make(chan uid.UID, 100)}
	m := replica.New(replica.Options{
		Self: idP, Entries: memory{s}, Ready: func(*layout.Member, int64) error { return nil },
		Tick: func() uint64 { return uint64(clock().Milliseconds()) }, Wall: time.Now, Second: time.Second,
	})
	p.Driver = New(Options{
		Machine: m, Network: p.net, Dropped: func(u uid.UID) { p.dropped <- u }, Activated: func() { p.activated.Add(1) },
		Clock: clock, Second: time.Second,
	})
	p.Adopt(layout.NewTable(l))
	p.Adopted()
	var run sync.WaitGroup
	run.Go(p.Run)
	t.Cleanup(func() {
		p.Close()
		run.Wait()
		s.Close()
	})
	return p
}

type memory struct{ *store.Store }

func (m memory) Clear(slot uint8) { m.Store.Clear(slot) }

// leased has the other owners grant their leases for now.
func (p *primary) leased() {
	for _, id := range []layout.ID{idB, idC} {
		p.machine.Granted(id, 1, p.opt.Clock())
	}
}

func (p *primary) order(ctx context.Context, key string, value byte) error {
	p.leased()
	_, err := p.Order(ctx, slotK, &wire.Write{
		Key: key, UID: uid.UID{value}, Ticket: wire.Ticket{Incarnation: idP, Clock: uint64(p.opt.Clock().Milliseconds())}, Placed: 9,
	}, idP)
	return err
}

// start orders a write and returns where its outcome is going to come.
func (p *primary) start(key string, value byte) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.order(context.Background(), key, value) }()
	synctest.Wait()
	return done
}

func (p *primary) has(key string, value byte) {
	p.t.Helper()
	p.leased()
	e, err := p.machine.Entry(slotK, key, p.opt.Clock)
	if value == 0 && !errors.Is(err, kv.ErrNotFound) || value != 0 && (err != nil || e.UID != uid.UID{value}) {
		p.t.Errorf("%s: %v %v, want %d", key, e.UID[0], err, value)
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

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// founded is a layout of whole-ring members, of which the first is the primary everywhere.
func founded(epoch, view uint64, ids ...layout.ID) *layout.Layout {
	l := &layout.Layout{Cluster: layout.ID{99}, Epoch: epoch, Segments: []layout.Segment{{View: view}}}
	for i, id := range ids {
		l.Members = append(l.Members, layout.Member{
			Name: layout.Name{Base: string(rune('a' + id[0])), Range: layout.Range{Lo: 0, Hi: 255}}, Address: "x:1",
			Incarnation: id, JoinEpoch: 1, Phase: layout.Serving,
		})
		l.Segments[0].Order = append(l.Segments[0].Order, uint16(i))
	}
	return l
}

func inBubble(t *testing.T, name string, f func(t *testing.T, p *primary)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { f(t, newPrimary(t, founded(1, 1, idP, idB, idC))) })
	})
}

func TestOrder(t *testing.T) {
	inBubble(t, "done when all have it", func(t *testing.T, p *primary) {
		late := make(chan struct{})
		p.net.set(func(ctx context.Context, m *layout.Member) error {
			if m.Incarnation == idC {
				return until(late)(ctx, m)
			}
			return nil
		})
		done := p.start("k", 1)
		time.Sleep(4 * time.Second)
		waiting(t, done)
		p.has("k", 0)
		close(late)
		is(t, <-done, nil)
		p.has("k", 1)
		is(t, p.order(t.Context(), "k", 2), nil)
		if len(p.dropped) != 1 || <-p.dropped != (uid.UID{1}) {
			t.Error("the value that was replaced is not hinted at")
		}
	})
	inBubble(t, "both owners are sent it at once", func(t *testing.T, p *primary) {
		open := make(chan struct{})
		p.net.set(until(open))
		done := p.start("k", 1)
		if n := p.net.sent.Load(); n != 2 {
			t.Errorf("sent %d times", n)
		}
		close(open)
		is(t, <-done, nil)
	})
	inBubble(t, "sent again until it arrives", func(t *testing.T, p *primary) {
		p.net.set(lost)
		done := p.start("k", 1)
		time.Sleep(3 * time.Second)
		waiting(t, done)
		p.net.set(delivered)
		is(t, <-done, nil)
		p.has("k", 1)
	})
	inBubble(t, "unknown, and done later", func(t *testing.T, p *primary) {
		p.net.set(lost)
		began := time.Now()
		is(t, p.order(t.Context(), "k", 1), kv.ErrUnknown)
		if took := time.Since(began); took != orderTimeout*time.Second {
			t.Errorf("unknown after %v", took)
		}
		p.has("k", 0)
		err := p.order(t.Context(), "k", 2)
		if kv.ReasonOf(err) != kv.Busy { // its turn never came
			t.Error(err)
		}
		p.net.set(delivered)
		time.Sleep(2 * time.Second)
		p.has("k", 1)
		is(t, p.order(t.Context(), "k", 3), nil)
	})
	inBubble(t, "the one who asks gives up", func(t *testing.T, p *primary) {
		p.net.set(lost)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		is(t, p.order(ctx, "k", 1), kv.ErrUnknown)
		p.net.set(delivered)
		time.Sleep(2 * time.Second)
		p.has("k", 1)
	})
	inBubble(t, "refused", func(t *testing.T, p *primary) {
		time.Sleep(time.Minute)
		_, err := p.Order(t.Context(), slotK, &wire.Write{Key: "k", Delete: true}, idP)
		if kv.ReasonOf(err) != kv.CutOff {
			t.Error(err)
		}
	})
	inBubble(t, "removed", func(t *testing.T, p *primary) {
		is(t, p.order(t.Context(), "k", 1), nil)
		e, _ := p.machine.Entry(slotK, "k", p.opt.Clock)
		is(t, p.Remove(t.Context(), slotK, "k", kv.Version{View: 1, N: 7}), kv.ErrPrecondition)
		is(t, p.Remove(t.Context(), slotK, "k", e.Version), nil)
		p.has("k", 0)
	})
}

// Whoever waits does so to the end of the node at most; what is being sent is given up.
func TestClose(t *testing.T) {
	inBubble(t, "", func(t *testing.T, p *primary) {
		p.net.set(until(nil))
		done, next := p.start("k", 1), p.start("k", 2)
		began := time.Now()
		p.Close()
		is(t, <-done, kv.ErrUnknown)
		if err := <-next; kv.ReasonOf(err) != kv.Busy {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("closing took %v", took)
		}
		if err := p.order(t.Context(), "j", 1); err == nil {
			t.Error("a write was acknowledged after the end")
		}
	})
}

// A new primary asks the other owners again and again, and says when it is active.
func TestWaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrimary(t, founded(1, 1, idB, idP, idC))
		p.net.set(lost)
		p.Adopt(layout.NewTable(founded(2, 2, idP, idB, idC)))
		synctest.Wait()
		if p.net.gathers.Load() != 0 {
			t.Error("something was sent before the requests carry the layout's epoch")
		}
		p.Adopted()
		time.Sleep(3 * time.Second)
		if n := p.net.gathers.Load(); n < 8 || n > 16 || p.activated.Load() != 0 {
			t.Errorf("the others were asked %d times, activated %d times", n, p.activated.Load())
		}
		p.net.set(delivered)
		time.Sleep(2 * time.Second)
		if p.activated.Load() == 0 {
			t.Error("it is not said that it is active")
		}
		is(t, p.order(t.Context(), "k", 1), nil)
		p.has("k", 1)
		before := p.net.gathers.Load()
		p.Adopted()
		if synctest.Wait(); p.net.gathers.Load() != before {
			t.Error("what was sent is sent again")
		}
	})
}

// What was under way when the owners change is done by the new ones, for whoever waits.
func TestOwnersChange(t *testing.T) {
	inBubble(t, "", func(t *testing.T, p *primary) {
		p.net.set(func(ctx context.Context, m *layout.Member) error {
			if m.Incarnation == idC {
				return lost(ctx, m)
			}
			return nil
		})
		done := p.start("k", 1)
		time.Sleep(time.Second)
		waiting(t, done)
		p.Adopt(layout.NewTable(founded(2, 2, idP, idB)))
		p.Adopted()
		is(t, <-done, nil)
		p.has("k", 1)
	})
}
