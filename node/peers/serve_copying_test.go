package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
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
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// serving is a node that serves everything.
type serving struct {
	*Service
	layout *layout.Layout
}

type cleared struct{ *store.Store }

func (c cleared) Clear(slot uint8) { c.Store.Clear(slot) }

// newServing has the other be a real node, and returns it and a member that joins it.
func newServing(t *testing.T) (*serving, *Peers, *layout.Member) {
	o := newOther(t)
	state := member.New(layout.Name{Base: "other", Range: layout.Range{Lo: 0, Hi: 255}}, slog.New(slog.DiscardHandler))
	o.id = state.Incarnation()
	st := store.New(store.Options{})
	t.Cleanup(st.Close)
	t.Cleanup(func() { o.stop() }) // before the store is closed
	machine := replica.New(replica.Options{Self: o.id, Entries: cleared{st}, Tick: peer.Clock, Wall: time.Now, Second: time.Second})
	state.OnAdopt(func(t *layout.Table) { machine.Adopt(t, clock.Now()) })
	s := &serving{Service: &Service{
		State: state, Heard: func(layout.ID) {},
		Owner: &owner.Owner{Self: o.id, Secret: secret, Store: st, Replica: machine, Clock: clock.Now},
	}}
	o.call, o.body = s.Call, s.Body
	p, m, l := newPeers(t, o, 3)
	s.layout = l
	if err := state.Adopt(l); err != nil {
		t.Fatal(err)
	}
	return s, p, m
}

// put stores a value that begins with n in slot 7, and returns its uid.
func (s *serving) put(t *testing.T, n, size int) uid.UID {
	t.Helper()
	u := uid.UID{7, byte(n >> 16), byte(n >> 8), byte(n)}
	if _, err := s.Owner.Store.InstallBytes(u, value(n, size), uint8(n)); err != nil {
		t.Fatal(err)
	}
	return u
}

// adopt has the serving node alone follow a layout of another phase or other views.
func (s *serving) adopt(t *testing.T, change func(*layout.Layout)) {
	t.Helper()
	l := *s.layout
	l.Epoch++
	l.Members, l.Segments = slices.Clone(l.Members), slices.Clone(l.Segments)
	change(&l)
	if err := s.State.Adopt(&l); err != nil {
		t.Fatal(err)
	}
}

// uidsAfter and entriesAfter ask for as much as there is.
func uidsAfter(slot uint8, after uid.UID) *wire.SomeUIDs {
	return &wire.SomeUIDs{Most: math.MaxInt64 >> 1, UIDsAfter: wire.UIDsAfter{Slot: slot, After: after}}
}

func entriesAfter(slot uint8, after string) *wire.SomeEntries {
	return &wire.SomeEntries{Most: math.MaxInt64 >> 1, Entries: wire.Entries{Slot: slot, After: after}}
}

// TestUIDPages: the pages of a slot join to all its values in order.
func TestUIDPages(t *testing.T) {
	s, p, m := newServing(t)
	var all []wire.ValueInfo
	// The last page may be just full, or not.
	for _, test := range []struct {
		values int
		pages  []int
	}{{2 * uidPage, []int{uidPage, uidPage}}, {2*uidPage + 1, []int{uidPage, uidPage, 1}}} {
		for i := range test.values {
			s.put(t, i+1, i%3)
		}
		var pages []int
		all = all[:0]
		for after, more := (uid.UID{}), true; more; after = all[len(all)-1].UID {
			page, _, err := p.UIDs(t.Context(), m, uidsAfter(7, after))
			if err != nil || page.Bytes != s.Owner.Store.ValueBytes(7) {
				t.Fatalf("%d bytes, %v", page.Bytes, err)
			}
			all, pages, more = append(all, page.Values...), append(pages, len(page.Values)), page.More
		}
		if diff := cmp.Diff(test.pages, pages); diff != "" {
			t.Errorf("pages (-want +got):\n%s", diff)
		}
	}
	for i, v := range all {
		if n := i + 1; v != (wire.ValueInfo{UID: uid.UID{7, byte(n >> 16), byte(n >> 8), byte(n)}, Size: int64(8 + i%3), Witness: uint8(n)}) {
			t.Fatalf("value %d: %+v", i, v)
		}
	}
	if page, _, err := p.UIDs(t.Context(), m, uidsAfter(8, uid.UID{})); err != nil || page.More || len(page.Values) > 0 {
		t.Errorf("of an empty slot: %+v, %v", page, err)
	}
}

// TestSmallPages: pages have about as many bytes as they may, and one thing at least.
func TestSmallPages(t *testing.T) {
	s, p, m := newServing(t)
	for i := range 100 {
		s.put(t, i+1, 1)
		s.Owner.Store.Apply(7, &kv.Entry{Key: fmt.Sprintf("key %03d", i), Version: kv.Version{View: 1, N: uint64(i) + 1}})
	}
	for most, want := range map[int64]int{0: 1, 1: 1, 1000: 10, 2000: 20} {
		values, came, err := p.UIDs(t.Context(), m, &wire.SomeUIDs{Most: most, UIDsAfter: wire.UIDsAfter{Slot: 7}})
		if n := len(values.Values); err != nil || n < want || n > 3*want || !values.More || came > max(most+20, 60) {
			t.Errorf("at most %d bytes: %d values, more: %v, in %d bytes, %v", most, n, values.More, came, err)
		}
		entries, came, err := p.Entries(t.Context(), m, &wire.SomeEntries{Most: most, Entries: wire.Entries{Slot: 7}})
		if n := len(entries.Entries); err != nil || n < want || n > 3*want || !entries.More || came > max(most+20, 100) {
			t.Errorf("at most %d bytes: %d entries, more: %v, in %d bytes, %v", most, n, entries.More, came, err)
		}
	}
}

// TestEntriesPage: the primary's committed entries come with the watermark.
func TestEntriesPage(t *testing.T) {
	s, p, m := newServing(t)
	for i := range 3 {
		e := kv.Entry{Key: fmt.Sprint("key ", i), Version: kv.Version{View: 1, N: uint64(i) + 1}, Deleted: i == 1}
		s.Owner.Store.Apply(7, &e)
	}
	page, _, err := p.Entries(t.Context(), m, entriesAfter(7, "key 0"))
	if err != nil {
		t.Fatal(err)
	}
	want := wire.EntryPage{Watermark: kv.Version{View: 1}, Entries: []kv.Entry{{Key: "key 2", Version: kv.Version{View: 1, N: 3}}}}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// questions are all that a member asks which copies slot 7.
var questions = map[string]func(context.Context, *Peers, *layout.Member) error{
	"entries": func(ctx context.Context, p *Peers, m *layout.Member) error {
		_, _, err := p.Entries(ctx, m, entriesAfter(7, ""))
		return err
	},
	"uids": func(ctx context.Context, p *Peers, m *layout.Member) error {
		_, _, err := p.UIDs(ctx, m, uidsAfter(7, uid.UID{}))
		return err
	},
	"fetch": func(ctx context.Context, p *Peers, m *layout.Member) error {
		_, err := p.Fetch(ctx, m, &wire.Copy{UIDs: []uid.UID{{7}}}, 0, func(uid.UID, int64, []byte) error { return nil })
		return err
	},
}

// TestCopiedInOneView: who is asked by an older view answers with its layout (R3); slots
// whose views did not change go on.
func TestCopiedInOneView(t *testing.T) {
	for name, ask := range questions {
		for change, test := range map[string]struct {
			segments []layout.Segment
			want     error
		}{
			"none":            {[]layout.Segment{{View: 1, Order: []uint16{0}}}, nil},
			"of this slot":    {[]layout.Segment{{View: 4, Order: []uint16{0}}}, ErrMoved},
			"of another slot": {[]layout.Segment{{View: 1, Order: []uint16{0}}, {Lo: 100, View: 4, Order: []uint16{0}}}, nil},
		} {
			t.Run(name+": a new view "+change, func(t *testing.T) {
				s, p, m := newServing(t)
				s.adopt(t, func(l *layout.Layout) { l.Segments = test.segments })
				is(t, ask(t.Context(), p, m), test.want)
			})
		}
	}
}

// TestWhoMayBeCopied: only a member that serves a slot has all of it (I3). One that does
// not must refuse, whatever the asking side believes.
func TestWhoMayBeCopied(t *testing.T) {
	for name, ask := range questions {
		for phase, order := range map[layout.Phase][]uint16{
			layout.Serving: {1}, // other slots
			layout.Joining: {1}, layout.Attached: {1, 0}, layout.Leaving: {1, 0},
		} {
			t.Run(name+": "+phase.String(), func(t *testing.T) {
				s, p, m := newServing(t)
				l := *s.layout
				l.Epoch++
				l.Members = slices.Clone(l.Members)
				l.Members[0].Phase, l.Members[1].Phase = phase, layout.Serving
				l.Segments = []layout.Segment{{View: l.Epoch, Order: order}, {Lo: 100, View: l.Epoch, Order: []uint16{1}}}
				is(t, p.state.Adopt(&l), nil) // which it then tells the other
				err := ask(t.Context(), p, m)
				if name == "fetch" && errors.Is(err, ErrMoved) {
					err = ask(t.Context(), p, m) // the layout was told by the first one
				}
				is(t, err, kv.ErrUnavailable)
				if errors.Is(err, ErrMoved) {
					t.Error(err)
				}
			})
		}
	}
}

// TestNewViewWhileReading: entries that were read while the view changed are not given out.
func TestNewViewWhileReading(t *testing.T) {
	s, p, m := newServing(t)
	s.Owner.Store.Apply(7, &kv.Entry{Key: "key", Version: kv.Version{View: 1, N: 1}})
	var once sync.Once
	s.Owner.Clock = func() time.Duration { // which is looked at after the entries are read
		once.Do(func() { s.adopt(t, func(l *layout.Layout) { l.Segments[0].View = l.Epoch }) })
		return clock.Now()
	}
	page, _, err := p.Entries(t.Context(), m, entriesAfter(7, ""))
	is(t, err, kv.ErrUnavailable)
	if len(page.Entries) > 0 {
		t.Error("they were given out")
	}
}

// TestNotCopiedWhileHealing: of a value that was dropped as a corrupt copy, and is looked for, nobody
// hears that there is none (I3).
func TestNotCopiedWhileHealing(t *testing.T) {
	s, p, m := newServing(t)
	ask := func(name string) error { return questions[name](t.Context(), p, m) }
	here := s.put(t, 1, 10)
	there := func() error {
		_, err := p.Fetch(t.Context(), m, &wire.Copy{UIDs: []uid.UID{here}}, 1000, func(uid.UID, int64, []byte) error { return nil })
		return err
	}
	other, end := s.Owner.Healing.Begin(8), s.Owner.Healing.Begin(7)
	for _, name := range []string{"uids", "fetch"} {
		if err := ask(name); kv.ReasonOf(err) != kv.Busy {
			t.Errorf("%s: %v", name, err)
		}
	}
	is(t, there(), nil)
	is(t, ask("entries"), nil)
	end()
	for name := range questions {
		is(t, ask(name), nil)
	}
	other()
}
