package replica

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// attachedView is the layout in which D is attached to P.
func attachedView(epoch, view uint64) *layout.Layout {
	return owners(epoch, view, in(layout.Serving, 1, idP), in(layout.Attached, 2, idD))
}

// joins is a world in which P serves what it has, and D joins it.
func joins(t *testing.T, has ...kv.Entry) (w *world, p, d *node) {
	w = newWorld(t, founded(idP), idP, idD)
	for i := range has {
		w.nodes[idP].store.Apply(slotK, &has[i])
	}
	w.nodes[idP].slots[slotK].order.last = uint64(len(has))
	w.adopt(owners(2, 1, in(layout.Serving, 1, idP), in(layout.Joining, 2, idD)), idP, idD)
	return w, w.nodes[idP], w.nodes[idD]
}

// attach makes D an owner.
func (w *world) attach(epoch uint64) {
	w.adopt(attachedView(epoch, epoch), idP, idD)
	w.run()
	w.beats()
}

func entry(key string, view, n uint64, value byte) kv.Entry {
	return kv.Entry{Key: key, UID: uid.UID{value}, Version: kv.Version{View: view, N: n}, Deleted: value == 0}
}

// page asks P for what it has behind a key.
func (n *node) page(after string) *wire.EntryPage {
	n.w.t.Helper()
	p, err := n.Page(slotK, after, pageBytes, n.epoch, n.w.clock)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return &p
}

// open begins the copying at D.
func (n *node) open() uint64 {
	n.w.t.Helper()
	view, ok := n.OpenCopy(slotK)
	if !ok {
		n.w.t.Fatal("there is nothing to copy")
	}
	return view
}

// What is newer on one side or the other stays; what the page should have and has not goes,
// unless it is too new for the page (F23, F24).
func TestTakePage(t *testing.T) {
	const watermark = 5 // of view 3
	for name, c := range map[string]struct {
		here, page []kv.Entry
		want       string
	}{
		"new":                       {nil, []kv.Entry{entry("k", 3, 1, 1)}, "k=1"},
		"newer on the page":         {[]kv.Entry{entry("k", 2, 9, 1)}, []kv.Entry{entry("k", 3, 1, 2)}, "k=2"},
		"newer here":                {[]kv.Entry{entry("k", 3, 7, 1)}, []kv.Entry{entry("k", 3, 1, 2)}, "k=1"},
		"deleted here meanwhile":    {[]kv.Entry{entry("k", 3, 7, 0)}, []kv.Entry{entry("k", 3, 1, 2)}, "k=†"},
		"deleted, and here before":  {[]kv.Entry{entry("k", 3, 1, 0)}, []kv.Entry{entry("k", 3, 2, 2)}, "k=2"},
		"not there any more":        {[]kv.Entry{entry("k", 3, 5, 1)}, nil, ""},
		"never was, of an old view": {[]kv.Entry{entry("k", 2, 99, 1)}, nil, ""},
		"above the watermark":       {[]kv.Entry{entry("k", 3, 6, 1)}, nil, "k=1"},
		"a tombstone here":          {[]kv.Entry{entry("k", 3, 2, 0)}, nil, "k=†"},
		"some of each": {
			[]kv.Entry{entry("a", 1, 1, 1), entry("c", 1, 2, 1), entry("e", 3, 6, 1), entry("g", 1, 3, 1)},
			[]kv.Entry{entry("b", 1, 5, 2), entry("c", 1, 2, 1), entry("f", 1, 6, 2)},
			"b=2 c=1 e=1 f=2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, d := joins(t)
			w.attach(3)
			view := d.open()
			for i := range c.here {
				d.store.Apply(slotK, &c.here[i])
			}
			p := wire.EntryPage{Watermark: kv.Version{View: 3, N: watermark}, Entries: c.page}
			is(t, d.TakePage(slotK, view, "", &p), nil)
			if got := d.memory(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// memory tells what a machine has of slotK.
func (n *node) memory() string {
	var has []string
	n.store.Entries(slotK, "", func(e *kv.Entry) bool {
		what := fmt.Sprint(e.UID[0])
		if e.Deleted {
			what = "†"
		}
		has = append(has, e.Key+"="+what)
		return true
	})
	return strings.Join(has, " ")
}

// A page speaks for the keys between the one before it and its last one only.
func TestPagesSpeakForTheirKeys(t *testing.T) {
	w, _, d := joins(t)
	w.attach(3)
	view := d.open()
	for _, key := range []string{"a", "c", "e", "g"} {
		e := entry(key, 1, 1, 1)
		d.store.Apply(slotK, &e)
	}
	page := func(more bool, entries ...kv.Entry) *wire.EntryPage {
		return &wire.EntryPage{Watermark: kv.Version{View: 3}, Entries: entries, More: more}
	}
	for _, step := range []struct {
		after string
		page  *wire.EntryPage
		want  string
	}{
		{"b", page(true, entry("d", 1, 1, 2)), "a=1 d=2 e=1 g=1"},
		{"d", page(true, entry("e", 1, 1, 1)), "a=1 d=2 e=1 g=1"},
		{"e", page(false), "a=1 d=2 e=1"},
		{"", page(true, entry("b", 1, 1, 2)), "b=2 d=2 e=1"},
	} {
		is(t, d.TakePage(slotK, view, step.after, step.page), nil)
		if got := d.memory(); got != step.want {
			t.Errorf("after %q: %s, want %s", step.after, got, step.want)
		}
	}
}

// A member that is joining copies without any promise, and drops nothing: it is sent no
// operations yet.
func TestJoining(t *testing.T) {
	w, p, d := joins(t, entry("a", 1, 1, 1), entry("b", 1, 2, 2))
	if _, ok := d.OpenCopy(slotK); ok {
		t.Error("there is something to copy as an owner")
	}
	is(t, d.TakePage(slotK, 0, "", p.page("")), nil)
	p.order(del("a"))
	is(t, d.TakePage(slotK, 0, "", p.page("")), nil)
	if got := d.memory(); got != "a=1 b=2" {
		t.Error(got)
	}
	d.Copied(slotK)
	if s := d.State(slotK, w.now); !s.Copied || s.Complete || s.Owner {
		t.Errorf("%+v", s)
	}
	because(t, d.EntriesCopied(slotK, 1), kv.Moved)
	because(t, d.ValuesCopied(slotK, 1), kv.Moved)
	w.attach(3)
	because(t, d.TakePage(slotK, 0, "", p.page("")), kv.Moved) // it was asked for before
	is(t, d.TakePage(slotK, d.open(), "", p.page("")), nil)
	if got := d.memory(); got != "b=2" {
		t.Errorf("%s: what was deleted meanwhile is here", got)
	}
}

// While pages may be on their way every tombstone is kept, however settled: the page may
// have been read before (F23).
func TestTombstonesWhileCopying(t *testing.T) {
	w, p, d := joins(t, entry("k", 1, 1, 1))
	w.attach(3)
	view := d.open()
	early := p.page("")
	op := p.order(del("k"))
	w.run()
	is(t, p.ended(op), nil)
	w.beats() // it is everywhere
	if p.store.Stats().Tombstones != 0 || d.store.Stats().Tombstones != 1 {
		t.Fatalf("%d and %d tombstones", p.store.Stats().Tombstones, d.store.Stats().Tombstones)
	}
	is(t, d.TakePage(slotK, view, "", early), nil)
	if got := d.memory(); got != "k=†" {
		t.Errorf("a deleted key came back: %s", got)
	}
	p.order(put("j", 2))
	w.run()
	p.order(del("j"))
	w.run() // is not settled at D yet
	is(t, d.EntriesCopied(slotK, view), nil)
	if got := d.memory(); got != "j=†" {
		t.Errorf("%s: the tombstones that were kept are not forgotten, or one too many", got)
	}
	w.beats()
	if got := d.memory(); got != "" {
		t.Error(got)
	}
}

// Only a copy that was begun in the view of now can be taken on; what was complete before a
// change of the view stays so (I3).
func TestCopyingAcrossViews(t *testing.T) {
	w, p, d := joins(t, entry("k", 1, 1, 1))
	w.attach(3)
	old := d.open()
	page := p.page("")
	w.attach(4)
	because(t, d.TakePage(slotK, old, "", page), kv.Moved)
	because(t, d.EntriesCopied(slotK, old), kv.Moved)
	because(t, d.ValuesCopied(slotK, old), kv.Moved)
	view := d.open()
	because(t, d.TakePage(slotK, view, "", page), kv.Moved) // P read it in the old view
	if got := d.memory(); got != "" {
		t.Errorf("%s was taken", got)
	}
	is(t, d.TakePage(slotK, view, "", p.page("")), nil)
	is(t, d.EntriesCopied(slotK, view), nil)
	because(t, d.TakePage(slotK, view, "", p.page("")), kv.Moved) // it is closed
	if d.State(slotK, w.now).Complete {
		t.Error("complete without values")
	}
	w.attach(5)
	view = d.open()
	if d.slots[slotK].copying.open {
		t.Error("the entries are copied again, though every later one came")
	}
	is(t, d.ValuesCopied(slotK, view), nil)
	if s := d.State(slotK, w.now); !s.Complete || s.Copied {
		t.Errorf("%+v", s)
	}
	w.attach(6)
	if !d.State(slotK, w.now).Complete {
		t.Error("not complete any more")
	}
	if _, ok := d.OpenCopy(slotK); ok {
		t.Error("there is something to copy still")
	}
}

// Who is an owner no more and becomes one again begins anew: it may lack anything.
func TestCompleteEndsWithOwnership(t *testing.T) {
	w, _, d := joins(t)
	w.attach(3)
	view := d.open()
	is(t, d.EntriesCopied(slotK, view), nil)
	is(t, d.ValuesCopied(slotK, view), nil)
	w.adopt(owners(4, 4, in(layout.Serving, 1, idP)), idP, idD)
	w.attach(5)
	if d.State(slotK, w.now).Complete {
		t.Error("it takes itself for complete")
	}
}

// Who serves is complete: the author has seen to that.
func TestServingIsComplete(t *testing.T) {
	w, _, d := joins(t)
	w.attach(3)
	d.open()
	w.adopt(owners(4, 3, in(layout.Serving, 1, idP), in(layout.Serving, 2, idD)), idP, idD)
	s := &d.slots[slotK].copying
	if !s.complete() || s.open {
		t.Errorf("%+v", s)
	}
}
