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
