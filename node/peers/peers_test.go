package peers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret, _ = uid.NewSecret([]byte("test"))

// other is a member that answers as a test tells it to, and keeps what it was asked.
type other struct {
	id      layout.ID
	address string
	server  *peer.Server
	stop    func()

	mu    sync.Mutex
	asked []peer.Op
	call  func(*peer.Request)
	body  func(*peer.BodyRequest)
}

func (o *other) saw(op peer.Op) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if op != peer.OpPing && op != wire.OpBeat {
		o.asked = append(o.asked, op)
	}
}

func (o *other) ops() []peer.Op {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

func newOther(t *testing.T) *other {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &other{id: layout.NewID(), address: l.Addr().String()}
	o.server = &peer.Server{
		Key: secret.PeerKey(), Log: slog.New(slog.DiscardHandler),
		Self:   func() peer.Hello { return peer.Hello{Incarnation: o.id, Name: "other"} },
		Calls:  func(r *peer.Request) { o.saw(r.Op); o.call(r) },
		Bodies: func(r *peer.BodyRequest) { o.saw(r.Op); o.body(r) },
	}
	o.call = func(r *peer.Request) { r.Reply(peer.CodeOK, nil, nil) }
	o.stop = o.server.Serving(l)
	t.Cleanup(func() { o.stop() })
	return o
}

type nobody struct{}

func (nobody) PeerCall(string, error, time.Duration) {}

// newPeers is a node in a cluster with the other; in its layout of some epoch the other
// is the only owner.
func newPeers(t *testing.T, o *other, epoch uint64) (*Peers, *layout.Member, *layout.Layout) {
	log := slog.New(slog.DiscardHandler)
	state := member.New(layout.Name{Base: "me", Range: layout.Range{Lo: 0, Hi: 255}}, log)
	s := store.New(store.Options{})
	p := New(state, &peer.Dialer{Key: secret.PeerKey(), Self: state.Hello}, Options{
		Secret: secret, Store: s, Observer: nobody{}, Log: log, FreshClock: time.Second,
		Marks:   func(layout.ID, *[layout.Slots]kv.Version) []wire.Mark { return nil },
		Granted: func(layout.ID, uint64, time.Duration) {}, Clock: clock.Now, Second: time.Second,
	})
	l := &layout.Layout{Cluster: layout.ID{1}, Epoch: epoch}
	for _, id := range []layout.ID{o.id, state.Incarnation()} {
		l.Members = append(l.Members, layout.Member{
			Name: layout.Name{Base: "x" + id.String(), Range: layout.Range{Lo: 0, Hi: 255}}, Address: o.address, Incarnation: id, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Members[1].Phase = layout.Joining
	l.Segments = layout.SegmentsOf(l.Members, 1)
	state.OnAdopt(p.Adopt)
	if err := state.Adopt(l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	t.Cleanup(p.Close)
	return p, &l.Members[0], l
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

// later returns the layout of the next epoch with the same owners.
func later(l *layout.Layout) *layout.Layout {
	n := *l
	n.Epoch++
	return &n
}

// The side with the older layout gets the newer one, and the request goes on (R3).
func TestLayoutsAreExchanged(t *testing.T) {
	value := []byte("value")
	ask := map[string]func(*Peers, *layout.Member) error{
		"call": func(p *Peers, m *layout.Member) error {
			return p.Place(t.Context(), m, wire.Place{UID: secret.Sum(value)}, value)
		},
		"bulk": func(p *Peers, m *layout.Member) error {
			return p.PlaceBody(t.Context(), m, wire.Place{UID: secret.Sum(value)}, &inlineValue{bytes: value})
		},
	}
	for name, do := range ask {
		t.Run(name+": the other is behind", func(t *testing.T) {
			o := newOther(t)
			p, m, l := newPeers(t, o, 3)
			var has uint64
			answer := func() peer.Code {
				if has < l.Epoch {
					return peer.CodeNeedLayout
				}
				return peer.CodeOK
			}
			o.call = func(r *peer.Request) {
				if r.Op == peer.OpLayout {
					got, _ := layout.Decode(r.Payload)
					has = got.Epoch
					r.Reply(peer.CodeOK, r.Payload, nil)
					return
				}
				r.Reply(answer(), nil, nil)
			}
			o.body = func(r *peer.BodyRequest) { _ = r.Reply(answer(), nil, 0, nil) }
			err := do(p, m)
			if errors.Is(err, ErrMoved) { // then the router starts again
				err = do(p, m)
			}
			is(t, err, nil)
			if diff := cmp.Diff([]peer.Op{wire.OpPlace, peer.OpLayout, wire.OpPlace}, o.ops()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
		t.Run(name+": the other is ahead", func(t *testing.T) {
			o := newOther(t)
			p, m, l := newPeers(t, o, 3)
			next := later(l)
			o.call = func(r *peer.Request) { r.Reply(peer.CodeStale, next.Encode(), nil) }
			o.body = func(r *peer.BodyRequest) { _ = r.Reply(peer.CodeStale, next.Encode(), 0, nil) }
			is(t, do(p, m), ErrMoved)
			if p.state.Epoch() != 4 {
				t.Errorf("epoch %d", p.state.Epoch())
			}
		})
		t.Run(name+": the other never learns", func(t *testing.T) {
			o := newOther(t)
			p, m, _ := newPeers(t, o, 3)
			o.call = func(r *peer.Request) {
				if r.Op == peer.OpLayout {
					r.Reply(peer.CodeRefused, []byte("no"), nil)
					return
				}
				r.Reply(peer.CodeNeedLayout, nil, nil)
			}
			o.body = func(r *peer.BodyRequest) { _ = r.Reply(peer.CodeNeedLayout, nil, 0, nil) }
			is(t, do(p, m), kv.ErrUnavailable)
		})
		t.Run(name+": two layouts of one epoch", func(t *testing.T) {
			o := newOther(t)
			p, m, l := newPeers(t, o, 3)
			forged := *l
			forged.Members = slices.Clone(l.Members)
			forged.Members[1].Phase = layout.Serving
			forged.Segments = layout.SegmentsOf(forged.Members, 1)
			o.call = func(r *peer.Request) { r.Reply(peer.CodeStale, forged.Encode(), nil) }
			o.body = func(r *peer.BodyRequest) { _ = r.Reply(peer.CodeStale, forged.Encode(), 0, nil) }
			is(t, do(p, m), member.ErrConflict)
			if p.state.Table().Layout.Hash() != l.Hash() {
				t.Error("the other layout was taken over")
			}
		})
	}
}

func TestOutcomeOfABrokenOrder(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	o.call = func(r *peer.Request) {
		if r.Op == wire.OpOrder {
			go o.server.Close()
		}
	}
	_, err := p.Order(t.Context(), m, &wire.Write{Key: "k"})
	is(t, err, kv.ErrUnknown)
	o.stop()
	_, err = p.Order(t.Context(), m, &wire.Write{Key: "k"})
	is(t, err, kv.ErrUnavailable)
	if errors.Is(err, kv.ErrUnknown) {
		t.Error("a write that never left is said to be unknown")
	}
	_, _, err = p.Lookup(t.Context(), m, "k", 0)
	is(t, err, kv.ErrUnavailable)
}

// Bytes are checked against the uid, be they others, more or fewer (§4.5).
func TestCorruptCopies(t *testing.T) {
	for _, size := range []int{100, 100_000} {
		right := bytes.Repeat([]byte{7}, size)
		flipped := bytes.Clone(right)
		flipped[size/2] ^= 1
		for name, copied := range map[string][]byte{"right": right, "flipped": flipped, "short": right[1:], "long": append(bytes.Clone(right), 7)} {
			t.Run(name, func(t *testing.T) {
				o := newOther(t)
				p, m, _ := newPeers(t, o, 1)
				u := secret.Sum(right)
				o.call = func(r *peer.Request) {
					if r.Op == wire.OpValue {
						r.Reply(peer.CodeOK, copied, nil)
						return
					}
					r.Reply(peer.CodeOK, nil, nil)
				}
				o.body = func(r *peer.BodyRequest) {
					_ = r.Reply(peer.CodeOK, nil, int64(len(copied)), func(w io.Writer) error { _, err := w.Write(copied); return err })
				}
				fetch := func() (kv.Value, error) { return p.FetchBody(t.Context(), m, u, int64(size)) }
				if size <= wire.MaxInline {
					fetch = func() (kv.Value, error) { return p.Value(t.Context(), m, u) }
				}
				v, err := fetch()
				if name == "right" {
					is(t, err, nil)
					got, err := kv.Whole(v)
					if err != nil || !bytes.Equal(got, right) || v.UID() != u {
						t.Errorf("%d bytes, %v", len(got), err)
					}
					v.Close()
					return
				}
				is(t, err, ErrCorrupt)
				if diff := cmp.Diff([]peer.Op{wire.OpValue, wire.OpSuspect}, o.ops()); diff != "" {
					t.Errorf("its owner was not told (-want +got):\n%s", diff)
				}
				if used := p.opt.Store.Stats().Transit; used != 0 {
					t.Errorf("%d bytes in transit are left", used)
				}
			})
		}
	}
}

// However many kept connections broke, a body goes through.
func TestKeptConnectionsThatBroke(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	u := secret.Sum(nil)
	o.body = func(r *peer.BodyRequest) { _ = r.Reply(peer.CodeOK, nil, 0, nil) }
	l := p.link(m)
	var broken []*peer.Bulk
	for range maxIdleBulk {
		b, err := l.takeBulk(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		broken = append(broken, b)
	}
	for _, b := range broken {
		l.giveBulk(b)
		b.Close()
	}
	for range maxIdleBulk {
		v, err := p.FetchBody(t.Context(), m, u, 0)
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
	}
}

// That one caller gave up does not make requests of others fail.
func TestCallerGivesUp(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	is(t, p.Place(gone, m, wire.Place{}, nil), kv.ErrUnavailable)
	is(t, p.Place(t.Context(), m, wire.Place{}, nil), nil)
}

// A connection that comes up while its member is given up is not left behind.
func TestClosedWhileDialling(t *testing.T) {
	o := newOther(t)
	dialling, goOn := make(chan struct{}), make(chan struct{})
	d := &peer.Dialer{Key: secret.PeerKey(), Self: func() peer.Hello {
		close(dialling)
		<-goOn
		return peer.Hello{}
	}}
	l := &link{member: &layout.Member{Address: o.address, Incarnation: o.id}, dialer: d, log: slog.New(slog.DiscardHandler), ctx: t.Context()}
	done := make(chan error)
	go func() {
		_, err := l.connect()
		done <- err
	}()
	<-dialling
	l.close()
	close(goOn)
	is(t, <-done, peer.ErrNotSent)
	if l.live() != nil {
		t.Error("the connection is left")
	}
}
