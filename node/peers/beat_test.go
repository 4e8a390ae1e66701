package peers

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// second is so long that nothing happens by itself while a test runs.
const second = time.Minute

// beating is a primary that beats for another member; its clock stands still unless a test
// moves it.
type beating struct {
	*Peers
	t      *testing.T
	o      *other
	m      *layout.Member
	layout *layout.Layout
	now    atomic.Int64
	grants chan grant

	mu   sync.Mutex
	told []kv.Version // of slot 7, what it had been told before each beat
}

type grant struct {
	by    layout.ID
	epoch uint64
	sent  time.Duration
}

func newBeating(t *testing.T, o *other) *beating {
	log := slog.New(slog.DiscardHandler)
	state := member.New(layout.Name{Base: "me", Range: layout.Range{Lo: 0, Hi: 255}}, log)
	s := store.New(store.Options{})
	b := &beating{t: t, o: o, grants: make(chan grant, 100)}
	b.now.Store(int64(time.Hour))
	b.Peers = New(state, &peer.Dialer{Key: secret.PeerKey(), Self: state.Hello}, Options{
		Secret: secret, Store: s, Observer: nobody{}, Log: log, FreshClock: time.Second, Marks: b.marks,
		Granted: func(by layout.ID, epoch uint64, sent time.Duration) { b.grants <- grant{by, epoch, sent} },
		Clock:   func() time.Duration { return time.Duration(b.now.Load()) }, Second: second,
	})
	b.layout = &layout.Layout{Cluster: layout.ID{1}, Epoch: 3, Segments: []layout.Segment{{View: 1, Order: []uint16{0, 1}}}}
	for _, id := range []layout.ID{state.Incarnation(), o.id, {77}} { // the last one has nothing to do with anything
		b.layout.Members = append(b.layout.Members, layout.Member{
			Name: layout.Name{Base: "x" + id.String(), Range: layout.Range{Lo: 0, Hi: 255}}, Address: o.address,
			Incarnation: id, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	b.m = &b.layout.Members[1]
	state.OnAdopt(b.Adopt)
	t.Cleanup(s.Close)
	t.Cleanup(b.Close)
	return b
}

// marks tells a higher mark each time.
func (b *beating) marks(id layout.ID, told *[layout.Slots]kv.Version) []wire.Mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id != b.o.id {
		b.t.Errorf("a beat for %v", id)
	}
	b.told = append(b.told, told[7])
	told[7].N++
	return []wire.Mark{{Slot: 7, Version: told[7]}}
}

// begin has it adopt its layout, and beat.
func (b *beating) begin() {
	b.t.Helper()
	b.adopt(b.layout)
}

func (b *beating) pass(d time.Duration) { b.now.Add(int64(d)) }

// granted waits for the next beat that is answered.
func (b *beating) granted() grant {
	b.t.Helper()
	select {
	case g := <-b.grants:
		return g
	case <-time.After(10 * time.Second):
		b.t.Fatal("no beat was answered")
		return grant{}
	}
}

// pulses has the other answer each beat.
func (o *other) pulses(f func(r *peer.Request, b wire.Beat)) {
	o.call = func(r *peer.Request) {
		b, err := wire.ParseBeat(r.Payload)
		if r.Op == wire.OpBeat && err == nil {
			f(r, b)
			return
		}
		r.Reply(peer.CodeOK, nil, nil)
	}
}

func pulse(r *peer.Request, p wire.Pulse) { r.Reply(peer.CodeOK, p.Append(nil), nil) }

// A lease counts from when the beat was sent, however long the answer takes (F8), and by
// the epoch of the one who gives it.
func TestBeat(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	o.pulses(func(r *peer.Request, m wire.Beat) {
		b.pass(300 * time.Millisecond)
		if r.Epoch != 3 || len(m.Marks) != 1 || m.Marks[0].Slot != 7 {
			t.Errorf("epoch %d, %+v", r.Epoch, m)
		}
		pulse(r, wire.Pulse{Credit: 500, Epoch: 4})
	})
	if is(t, b.Ready(b.m, 1), kv.ErrUnavailable); b.Contacted() != true {
		t.Error("without backups nobody must be contacted")
	}
	b.begin()
	if g := b.granted(); g != (grant{o.id, 4, time.Hour}) {
		t.Errorf("%+v", g)
	}
	b.BeatSoon()
	if g := b.granted(); g != (grant{o.id, 4, time.Hour + 300*time.Millisecond}) {
		t.Errorf("%+v", g)
	}
	if !b.Contacted() {
		t.Error("it was contacted")
	}
}

// A write needs an owner that answered of late and has room; the room is taken at once, as
// other writes come before the next beat.
func TestReady(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	o.pulses(func(r *peer.Request, _ wire.Beat) { pulse(r, wire.Pulse{Credit: 3*entryOverhead + 30, Epoch: 3}) })
	b.begin()
	b.granted()
	is(t, b.Ready(b.m, 10), nil)
	b.pass(1200 * second / 1000)
	is(t, b.Ready(b.m, 10), nil)
	b.pass(1)
	if err := b.Ready(b.m, 10); kv.ReasonOf(err) != kv.OwnerLost {
		t.Errorf("not heard of for more than 1.2 seconds: %v", err)
	}
	b.pass(-1)
	is(t, b.Ready(b.m, 11), kv.ErrNoMemory)
	b.BeatSoon()
	b.granted()
	is(t, b.Ready(b.m, 10), nil)
	o.stop()
	for b.link(b.m).live() != nil {
		time.Sleep(time.Millisecond)
	}
	if err := b.Ready(b.m, 10); kv.ReasonOf(err) != kv.OwnerLost {
		t.Errorf("its connection is gone: %v", err)
	}
}

// What was told by a beat that failed is told again.
func TestMarksAreToldAgain(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	beats := make(chan int, 10)
	n := 0
	o.pulses(func(r *peer.Request, _ wire.Beat) {
		n++
		defer func() { beats <- n }()
		switch n {
		case 3:
			r.Reply(peer.CodeRefused, []byte("no"), nil)
		case 4:
			r.Reply(peer.CodeOK, nil, nil) // it does not read
		default:
			pulse(r, wire.Pulse{Epoch: 3})
		}
	})
	b.begin()
	for <-beats < 6 {
		b.BeatSoon()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff([]kv.Version{{}, {N: 1}, {N: 2}, {}, {}, {N: 1}}, b.told); diff != "" {
		t.Errorf("what it had been told before each beat (-want +got):\n%s", diff)
	}
}

// An owner with a newer layout gives that instead of a lease.
func TestBeatIsRefused(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	next := later(b.layout)
	o.pulses(func(r *peer.Request, _ wire.Beat) {
		if r.Epoch < 4 {
			r.Reply(peer.CodeStale, next.Encode(), nil)
			return
		}
		pulse(r, wire.Pulse{Epoch: 4})
	})
	b.begin()
	for b.state.Epoch() != 4 {
		time.Sleep(time.Millisecond)
	}
	b.BeatSoon()
	if g := b.granted(); g.epoch != 4 || b.state.Epoch() != 4 {
		t.Errorf("%+v, epoch %d", g, b.state.Epoch())
	}
}

// Beats end with the layout that has no use for them.
func TestBeatsEnd(t *testing.T) {
	o := newOther(t)
	b := newBeating(t, o)
	o.pulses(func(r *peer.Request, _ wire.Beat) { pulse(r, wire.Pulse{Epoch: 3}) })
	b.begin()
	b.granted()
	next := later(b.layout)
	next.Segments = []layout.Segment{{View: 4, Order: []uint16{0}}}
	b.adopt(next)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.BeatSoon(); len(b.beats) != 0 {
		t.Errorf("beats for %v", b.beats)
	}
}
