package transfer_test

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/replication"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/transfer"
	"github.com/eiri/seppen/node/wire"
)

var (
	secret, _ = uid.NewSecret([]byte("test"))
	all       = layout.Range{Lo: 0, Hi: 255}
	quiet     = slog.New(slog.DiscardHandler)
)

type nobody struct{}

func (nobody) PeerCall(string, error, time.Duration) {}

// entries is a store as a machine wants it.
type entries struct{ *store.Store }

func (e entries) Clear(slot uint8) { e.Store.Clear(slot) }

// side is as much of a node as copying needs, with a real peer port.
type side struct {
	state   *member.State
	store   *store.Store
	machine *replica.Machine
	driver  *replication.Driver
	peers   *peers.Peers
	copier  *transfer.Copier
	address string
}

func newSide(t testing.TB, name string) *side {
	s := &side{state: member.New(layout.Name{Base: name, Range: all}, quiet), store: store.New(store.Options{})}
	self := s.state.Incarnation()
	s.peers = peers.New(s.state, &peer.Dialer{Key: secret.PeerKey(), Self: s.state.Hello}, peers.Options{
		Secret: secret, Store: s.store, Observer: nobody{}, Log: quiet, FreshClock: time.Second,
		Marks:   func(m layout.ID, told *[layout.Slots]kv.Version) []wire.Mark { return s.machine.Marks(m, told) },
		Granted: func(by layout.ID, epoch uint64, sent time.Duration) { s.machine.Granted(by, epoch, sent) },
		Clock:   clock.Now, Second: time.Second,
	})
	s.machine = replica.New(replica.Options{
		Self: self, Entries: entries{s.store}, Ready: s.peers.Ready, Tick: peer.Clock, Wall: time.Now, Second: time.Second,
	})
	s.driver = replication.New(replication.Options{
		Machine: s.machine, Network: s.peers, Dropped: func(uid.UID) {}, Activated: s.peers.BeatSoon, Clock: clock.Now, Second: time.Second,
	})
	o := &owner.Owner{
		Self: self, Secret: secret, Store: s.store, Replica: s.machine, Driver: s.driver, Clock: clock.Now,
		Placed: func(uid.UID) {}, Hinted: func(uid.UID) {}, Doubt: func(uid.UID) {},
	}
	s.copier = transfer.New(transfer.Options{Log: quiet, Parts: transfer.Parts{
		Self: self, Table: s.state.Table, Source: s.peers, Machine: s.machine,
		Values: &transfer.Memory{Store: s.store, Secret: secret, Placed: o.Placed},
	}})
	s.state.OnAdopt(s.driver.Adopt)
	s.state.OnAdopt(s.peers.Adopt)
	s.state.OnAdopt(s.copier.Adopt)
	s.state.AfterAdopt(s.driver.Adopted)
	s.state.AfterAdopt(s.peers.BeatSoon)
	service := &peers.Service{State: s.state, Heard: func(layout.ID) {}, Owner: o}
	s.serve(t, &peer.Server{Key: secret.PeerKey(), Self: s.state.Hello, Log: quiet, Calls: service.Call, Bodies: service.Body})
	return s
}

// serve runs the side until the test ends.
func (s *side) serve(t testing.TB, server *peer.Server) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	stop := server.Serving(l)
	var wg sync.WaitGroup
	wg.Go(s.driver.Run)
	wg.Go(func() { s.copier.Run(t.Context()) })
	t.Cleanup(func() {
		stop()
		s.peers.Close()
		s.driver.Close()
		wg.Wait()
		s.store.Close()
	})
}

// adopt gives all sides a layout, in which the first serves and the others have a phase.
func adopt(t testing.TB, epoch, view uint64, phase layout.Phase, sides ...*side) {
	t.Helper()
	l := &layout.Layout{Cluster: layout.ID{1}, Epoch: epoch}
	for i, s := range sides {
		m := layout.Member{
			Name: s.state.Name(), Address: s.address, Incarnation: s.state.Incarnation(), JoinEpoch: uint64(i + 1), Phase: phase,
		}
		if i == 0 {
			m.Phase = layout.Serving
		}
		l.Members = append(l.Members, m)
	}
	// The first is primary of all slots.
	l.Segments = []layout.Segment{{View: view, Order: []uint16{0}}}
	for i := 1; i < len(sides) && phase.Acknowledges(); i++ {
		l.Segments[0].Order = append(l.Segments[0].Order, uint16(i))
	}
	for _, s := range sides {
		if err := s.state.Adopt(l); err != nil {
			t.Fatal(err)
		}
	}
}

// put stores a value, and a key that refers to it.
func (s *side) put(t testing.TB, key string, version uint64, value []byte) {
	u, slot := secret.Sum(value), secret.KeySlot(key)
	if _, err := s.store.InstallBytes(u, value, slot); err != nil {
		t.Error(err)
	}
	s.store.Apply(slot, &kv.Entry{Key: key, UID: u, Size: int64(len(value)), Version: kv.Version{View: 1, N: version}})
}

// fill stores random values of one size, so many bytes together.
func (s *side) fill(t testing.TB, size int, total int64) {
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			r := rand.NewChaCha8([32]byte{byte(w), byte(size), byte(size >> 8)})
			value, key := make([]byte, size), make([]byte, 12)
			for i := w; int64(i)*int64(size) < total; i += 2 {
				_, _ = r.Read(value)
				_, _ = r.Read(key)
				s.put(t, hex.EncodeToString(key), uint64(i)+1, value)
			}
		})
	}
	wg.Wait()
}

// content is all that a store has.
type content struct {
	Entries map[string]kv.Entry
	Values  map[uid.UID]int64
}

func (s *side) content() content {
	c := content{Entries: map[string]kv.Entry{}, Values: map[uid.UID]int64{}}
	for slot := range layout.Slots {
		s.store.Entries(uint8(slot), "", func(e *kv.Entry) bool {
			c.Entries[e.Key] = *e
			return true
		})
		for _, v := range s.store.Values(uint8(slot), uid.UID{}, 1<<30) {
			c.Values[v.UID] = v.Size
		}
	}
	return c
}

// until waits for what other goroutines bring about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it takes too long: %s", what)
		}
	}
}

func (s *side) allSlots(is func(replica.SlotState) bool) bool {
	for slot := range layout.Slots {
		if !is(s.machine.State(uint8(slot), clock.Now())) {
			return false
		}
	}
	return true
}

// TestJoinOverLoopback: a node joins another with all that there is between them: real
// ports, machines and stores. What is deleted, changed and added before it is attached is
// as it should be afterwards.
func TestJoinOverLoopback(t *testing.T) {
	from, to := newSide(t, "from"), newSide(t, "to")
	adopt(t, 1, 1, layout.Joining, from)
	value := func(i, size int) []byte { return append(make([]byte, size), fmt.Sprint("value ", i)...) }
	const n = 5000
	for i := range n {
		from.put(t, fmt.Sprint("key ", i), uint64(i)+1, value(i, []int{0, 100, 5000}[i%3]))
	}
	from.put(t, "large", n+1, value(0, 10<<20))
	from.put(t, "shared", n+2, value(0, 10<<20))

	adopt(t, 2, 1, layout.Joining, from, to)
	until(t, "joining", func() bool { return to.allSlots(func(s replica.SlotState) bool { return s.Copied }) })
	if diff := cmp.Diff(from.content(), to.content()); diff != "" {
		t.Fatalf("joined (-from +to):\n%s", diff)
	}

	for i := range n / 5 {
		key := fmt.Sprint("key ", i)
		slot := secret.KeySlot(key)
		e, _ := from.store.Entry(slot, key)
		switch i % 4 {
		case 0:
			from.store.Remove(slot, key, e.Version)
		case 1:
			from.put(t, key, n+uint64(i)+10, value(-i, 10))
		case 2:
			from.store.Drop(e.UID)
			from.store.Remove(slot, key, e.Version)
		default:
			from.put(t, key+" more", n+uint64(i)+10, value(-i, 10))
		}
	}
	adopt(t, 3, 3, layout.Attached, from, to)
	until(t, "attached", func() bool { return to.allSlots(func(s replica.SlotState) bool { return s.Complete }) })
	until(t, "nothing left", func() bool { return to.copier.Left() == 0 })
	want, got := from.content(), to.content()
	if diff := cmp.Diff(want.Entries, got.Entries); diff != "" {
		t.Errorf("attached: entries (-from +to):\n%s", diff)
	}
	for u := range want.Values {
		if _, ok := got.Values[u]; !ok {
			t.Errorf("the value %s is missing", u)
		}
	}
	if p := to.copier.Progress(); to.copier.Stuck() != "" || p.Here == 0 || p.Gone != 0 {
		t.Errorf("%q, %+v", to.copier.Stuck(), p)
	}
	adopt(t, 4, 3, layout.Serving, from, to)
	until(t, "nothing left", func() bool { return to.copier.Left() == 0 })
}
