package peers

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// without returns the layout of the next epoch in which the other is no member any more.
func without(l *layout.Layout) *layout.Layout {
	n := later(l)
	n.Members = slices.Clone(l.Members[1:])
	n.Members[0].Phase = layout.Serving
	n.Segments = layout.SegmentsOf(n.Members, n.Epoch)
	return n
}

// stuck has the other answer nothing, or half a body and no more, until the end of the test.
func (o *other) stuck(t *testing.T, half bool) (asked <-chan struct{}) {
	came, ended := make(chan struct{}, 8), make(chan struct{})
	o.body = func(r *peer.BodyRequest) {
		came <- struct{}{}
		if half {
			_ = r.Reply(peer.CodeOK, nil, 200<<10, func(w io.Writer) error {
				_, err := w.Write(make([]byte, 100<<10))
				<-ended
				return errors.Join(err, io.ErrShortWrite)
			})
			return
		}
		<-ended
		_ = r.Reply(peer.CodeOK, nil, 0, nil)
	}
	t.Cleanup(func() { close(ended); o.stop() })
	return came
}

// Whoever waits for a member on a connection for bodies is told at once when it is none any more.
func TestBodiesOfAFormerMember(t *testing.T) {
	value := make([]byte, 200<<10)
	u := secret.Sum(value)
	fetch := func(p *Peers, m *layout.Member) error {
		_, err := p.FetchBody(t.Context(), m, u, int64(len(value)))
		return err
	}
	place := func(p *Peers, m *layout.Member) error {
		return p.PlaceBody(t.Context(), m, wire.Place{UID: u}, &inlineValue{bytes: value})
	}
	part := func(p *Peers, m *layout.Member) error {
		_, _, err := p.FetchPart(t.Context(), m, &wire.Copy{UIDs: []uid.UID{u}}, int64(len(value)), io.Discard)
		return err
	}
	for name, c := range map[string]struct {
		do   func(*Peers, *layout.Member) error
		half bool
	}{
		"no answer":                {fetch, false},
		"half of the value":        {fetch, true},
		"no answer to a placing":   {place, false},
		"no answer to a copier":    {part, false},
		"half a body for a copier": {part, true},
	} {
		for _, kept := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				o := newOther(t)
				p, m, l := newPeers(t, o, 3)
				asked := o.stuck(t, c.half)
				if kept {
					b, err := p.link(m).takeBulk(t.Context(), true)
					is(t, err, nil)
					p.link(m).giveBulk(b)
				}
				done := make(chan error, 1)
				go func() { done <- c.do(p, m) }()
				<-asked
				is(t, p.state.Adopt(without(l)), nil)
				removed := time.Now()
				is(t, <-done, kv.ErrUnavailable) // ErrMoved, or what the router waits a moment for
				if took := time.Since(removed); took > readTimeout/2 {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

// An owner that does not answer is not waited for longer than for a small value.
func TestValueOfASilentOwner(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 3)
	o.stuck(t, false)
	began := time.Now()
	_, err := p.FetchBody(t.Context(), m, secret.Sum(nil), 100_000)
	is(t, err, kv.ErrUnavailable)
	if took := time.Since(began); took < readTimeout || took > 2*readTimeout {
		t.Errorf("it took %v", took)
	}
	if n := len(p.link(m).inUse); n != 0 || p.opt.Store.Stats().Transit != 0 {
		t.Errorf("%d connections are in use", n)
	}
}

// A kept connection to one that can't be reached is not used.
func TestKeptConnectionOfOneThatCannotBeReached(t *testing.T) {
	o := newOther(t)
	g := newGated(t, o.address, o.id)
	close(g.gate)
	b, err := g.takeBulk(t.Context(), false)
	is(t, err, nil)
	g.giveBulk(b)
	if again, err := g.takeBulk(t.Context(), false); err != nil || again != b {
		t.Fatal(err, "the kept one is fit")
	}
	g.giveBulk(b)
	g.live().Close()
	g.fails(t)
	_, err = g.takeBulk(t.Context(), false)
	is(t, err, peer.ErrNotSent)
	g.close()
}

// What is on its way to a client comes to its end, whoever is a member.
func TestPassingValueOfAFormerMember(t *testing.T) {
	o := newOther(t)
	p, m, l := newPeers(t, o, 3)
	value := make([]byte, 200<<10)
	goOn := make(chan struct{})
	o.body = func(r *peer.BodyRequest) {
		_ = r.Reply(peer.CodeOK, nil, int64(len(value)), func(w io.Writer) error {
			_, err := w.Write(value[:100<<10])
			<-goOn
			_, rest := w.Write(value[100<<10:])
			return errors.Join(err, rest)
		})
	}
	small := store.New(store.Options{Transit: 64 << 10})
	defer small.Close()
	p.opt.Store = small
	v, err := p.FetchBody(t.Context(), m, secret.Sum(value), int64(len(value)))
	is(t, err, nil)
	defer v.Close()
	if _, once := v.(kv.WholeOnly); !once {
		t.Fatal("it was taken in")
	}
	is(t, p.state.Adopt(without(l)), nil)
	close(goOn)
	got, err := kv.Whole(v)
	if err != nil || len(got) != len(value) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A connection for a body that comes up while its member is given up is not left behind.
func TestBulkClosedWhileDialling(t *testing.T) {
	o := newOther(t)
	g := newGated(t, o.address, o.id)
	go func() { g.gate <- struct{}{} }() // the small one
	_, err := g.connect()
	is(t, err, nil)
	done := make(chan error)
	go func() {
		_, err := g.takeBulk(context.Background(), true)
		done <- err
	}()
	g.attempted(t, 2)
	g.close()
	close(g.gate)
	is(t, <-done, peer.ErrNotSent)
	if len(g.inUse) != 0 {
		t.Error("the connection is left")
	}
}
