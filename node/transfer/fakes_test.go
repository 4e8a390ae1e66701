package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The members of all tests: a and b serve and hold everything, a is primary; c copies.
var (
	a, b, c = layout.ID{0xa}, layout.ID{0xb}, layout.ID{0xc}
	names   = map[layout.ID]string{a: "a", b: "b", c: "c"}
)

// table is a layout in which every slot has the view, and c the phase; 0: c is no member.
func table(epoch, view uint64, phase layout.Phase, serving ...layout.ID) *layout.Table {
	l := &layout.Layout{Cluster: layout.ID{1}, Epoch: epoch}
	for _, id := range serving {
		l.Members = append(l.Members, fakeMember(id, layout.Serving))
	}
	if phase != 0 {
		l.Members = append(l.Members, fakeMember(c, phase))
	}
	l.Segments = []layout.Segment{{View: view}}
	for i := range l.Members {
		if l.Members[i].Phase.Acknowledges() {
			l.Segments[0].Order = append(l.Segments[0].Order, uint16(i))
		}
	}
	return layout.NewTable(l)
}

func fakeMember(id layout.ID, phase layout.Phase) layout.Member {
	return layout.Member{
		Name: layout.Name{Base: names[id], Range: layout.Range{Lo: 0, Hi: 255}}, Address: names[id],
		Incarnation: id, JoinEpoch: 1, Phase: phase,
	}
}

// story is everything around the copy of slots, and what was said. It is safe for
// concurrent use.
type story struct {
	mu    sync.Mutex
	log   []string
	table *layout.Table

	entries []string             // keys that the primary has
	values  [layout.Slots][]byte // ids of the values that owners have, by slot
	gone    map[layout.ID][]byte // ids of values that an owner lists and does not have
	broken  map[layout.ID][]byte // ids of values that an owner has other bytes of
	fails   map[string]int       // how many more calls fail that begin so, half-way
	late    map[string]int       // and how many after all was done
	before  map[string]func()    // what happens before the first call that begins so
	page    int                  // how long pages are

	view   uint64 // of the machine
	copied map[uint8]int
	full   bool
	here   map[uid.UID]bool
	begun  int   // values of which parts are here
	sent   int64 // bytes of values that the owners sent
}

func newStory(t *layout.Table) *story {
	return &story{
		table: t, page: 2, view: t.Owners(0).View, copied: map[uint8]int{}, here: map[uid.UID]bool{},
		gone: map[layout.ID][]byte{}, broken: map[layout.ID][]byte{}, fails: map[string]int{}, before: map[string]func(){},
	}
}

func (s *story) parts() *Parts {
	return &Parts{Self: c, Table: func() *layout.Table {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.table
	}, Source: s, Machine: s, Values: s}
}

var errFails = errors.New("no answer")

// say takes down what is called, after what is to happen before it.
func (s *story) say(format string, args ...any) error {
	line := fmt.Sprintf(format, args...)
	for prefix, f := range s.before {
		if strings.HasPrefix(line, prefix) {
			delete(s.before, prefix)
			f()
		}
	}
	s.log = append(s.log, line)
	for prefix, n := range s.fails {
		if strings.HasPrefix(line, prefix) && n > 0 {
			s.fails[prefix]--
			s.log[len(s.log)-1] += ": fails"
			return errFails
		}
	}
	return nil
}

func (s *story) Entries(_ context.Context, m *layout.Member, q *wire.SomeEntries) (wire.EntryPage, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after := q.After
	if err := s.say("entries of %d after %q from %s", q.Slot, after, m.Name.Base); err != nil {
		return wire.EntryPage{}, 0, err
	}
	p := wire.EntryPage{Watermark: kv.Version{View: s.view}}
	for _, key := range s.entries {
		if key <= after {
			continue
		}
		if p.More = len(p.Entries) == s.page; p.More {
			break
		}
		p.Entries = append(p.Entries, kv.Entry{Key: key})
	}
	return p, q.Most, nil
}

func (s *story) UIDs(_ context.Context, m *layout.Member, q *wire.SomeUIDs) (wire.UIDPage, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, after := q.Slot, q.After
	if err := s.say("values of %d after %d from %s", slot, after[1], m.Name.Base); err != nil {
		return wire.UIDPage{}, 0, err
	}
	var p wire.UIDPage
	for _, id := range s.values[slot] {
		p.Bytes += int64(len(bytesOf(id)))
		if id <= after[1] || p.More {
			continue
		}
		if p.More = len(p.Values) == s.page; p.More {
			continue
		}
		p.Values = append(p.Values, wire.ValueInfo{UID: uid.UID{slot, id}, Size: int64(len(bytesOf(id))), Witness: id})
	}
	return p, q.Most, nil
}

// bytesOf is a value: as many bytes as its id, and from id 200 on a thousand times as many.
func bytesOf(id byte) string {
	n := int(id)
	if id >= 200 {
		n *= 1000
	}
	return strings.Repeat(string(rune('A'+id)), n)
}

func (s *story) Fetch(_ context.Context, m *layout.Member, q *wire.Copy, most int64, each func(u uid.UID, size int64, b []byte) error) (came int64, err error) {
	var ids []byte
	for _, u := range q.UIDs {
		ids = append(ids, u[1])
	}
	s.mu.Lock()
	err = s.say("fetch %v of %d from %s", ids, q.UIDs[0].Slot(), m.Name.Base)
	s.mu.Unlock()
	for i, u := range q.UIDs {
		if err != nil && i == len(q.UIDs)/2 {
			return came, err // half-way
		}
		size, text := s.value(m, u)
		came += wire.FetchHeader + max(size, 0)
		if err := each(u, size, []byte(text)); err != nil {
			return came, err
		}
	}
	if came > most+int64(len(q.UIDs))*wire.FetchHeader {
		panic("more bytes than were allowed for")
	}
	return came, s.failsLate("fetch")
}

// failsLate tells whether a call fails after all was done.
func (s *story) failsLate(call string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late[call] == 0 {
		return nil
	}
	s.late[call]--
	return errFails
}

// value is what a member says of a value, and counts what it sends.
func (s *story) value(m *layout.Member, u uid.UID) (size int64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = bytesOf(u[1])
	size = int64(len(text))
	switch {
	case slices.Contains(s.gone[m.Incarnation], u[1]):
		return -1, ""
	case slices.Contains(s.broken[m.Incarnation], u[1]):
		text = strings.Repeat("?", len(text))
	}
	s.sent += size
	return size, text
}

func (s *story) FetchPart(_ context.Context, m *layout.Member, q *wire.Copy, total int64, w io.Writer) (size, came int64, err error) {
	s.mu.Lock()
	err = s.say("part of %d at %d of %d from %s", q.UIDs[0][1], q.Offset, q.UIDs[0].Slot(), m.Name.Base)
	s.mu.Unlock()
	size, text := s.value(m, q.UIDs[0])
	if size != total {
		return size, wire.FetchHeader, err
	}
	text = text[q.Offset:min(size, q.Offset+q.Length)]
	if err != nil {
		text = text[:len(text)/2]
	}
	s.mu.Lock()
	s.sent += int64(len(text)) - size
	s.mu.Unlock()
	n, werr := io.WriteString(w, text)
	return size, int64(n) + wire.FetchHeader, errors.Join(err, werr, s.failsLate("part"))
}

func (s *story) Suspect(_ context.Context, m *layout.Member, u uid.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.say("suspect %d at %s", u[1], m.Name.Base)
}

func (s *story) OpenCopy(slot uint8) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.copied[slot] == 2 {
		return 0, false
	}
	_ = s.say("open %d in %d", slot, s.view)
	return s.view, true
}

// inView is what the machine answers to news from a copy in a view.
func (s *story) inView(view uint64) error {
	if view != 0 && view != s.view {
		s.log[len(s.log)-1] += ": the view is " + fmt.Sprint(s.view)
		return errors.New("the view changed")
	}
	return nil
}

func (s *story) TakePage(slot uint8, view uint64, after string, p *wire.EntryPage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for i := range p.Entries {
		keys = append(keys, p.Entries[i].Key)
	}
	return errors.Join(s.say("take %v of %d after %q in %d", keys, slot, after, view), s.inView(view))
}

func (s *story) EntriesCopied(slot uint8, view uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copied[slot] = 0
	return errors.Join(s.say("entries of %d copied in %d", slot, view), s.done(slot, view))
}

func (s *story) ValuesCopied(slot uint8, view uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.say("values of %d copied in %d", slot, view), s.done(slot, view))
}

func (s *story) done(slot uint8, view uint64) error {
	err := s.inView(view)
	if err == nil {
		s.copied[slot]++
	}
	return err
}

func (s *story) Copied(slot uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copied[slot] = 1
	_ = s.say("%d copied", slot)
}

func (s *story) Room(int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.full
}

func (s *story) Touch(u uid.UID, witness uint8) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.here[u] {
		_ = s.say("touch %d for %d", u[1], witness)
	}
	return s.here[u]
}

func (s *story) Take(v wire.ValueInfo, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case string(b) != bytesOf(v.UID[1]):
		return ErrCorrupt
	case s.full:
		return kv.ErrNoMemory
	}
	s.here[v.UID] = true
	return nil
}

func (s *story) Begin(v wire.ValueInfo) (Partial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return nil, kv.ErrNoMemory
	}
	s.begun++
	return &begun{s: s, v: v}, nil
}

// begun is a value that comes in parts.
type begun struct {
	s *story
	v wire.ValueInfo
	strings.Builder
}

func (p *begun) Finish() error {
	p.Discard()
	return p.s.Take(p.v, []byte(p.String()))
}

func (p *begun) Discard() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.s.begun--
}

// run takes steps until the copy is done, and writes down the errors.
func (s *story) run(t *testing.T, slot *Slot) []string {
	t.Helper()
	for range 100 {
		done, err := slot.Step(t.Context())
		if err != nil {
			s.log = append(s.log, "error: "+err.Error())
		}
		if done {
			out := s.log
			s.log = nil
			return out
		}
	}
	t.Fatalf("it does not end:\n%s", strings.Join(s.log, "\n"))
	return nil
}
