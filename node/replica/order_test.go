package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

func put(key string, value byte) *wire.Write {
	return &wire.Write{Key: key, UID: uid.UID{value}, Size: 1}
}

func TestDecide(t *testing.T) {
	has := &kv.Entry{Key: "k", UID: uid.UID{1}, Version: kv.Version{View: 7, N: 3}, Modified: 100}
	dead := &kv.Entry{Key: "k", Version: kv.Version{View: 7, N: 3}, Modified: 100, Deleted: true}
	other := kv.Tags{Given: true, UIDs: []uid.UID{{2}}}
	this := kv.Tags{Given: true, UIDs: []uid.UID{{2}, {1}}}
	star := kv.Tags{Given: true, Any: true}
	for _, c := range []struct {
		name     string
		current  *kv.Entry
		delete   bool
		cond     kv.Conditions
		now      int64
		err      error
		created  bool
		modified int64
	}{
		{"new", nil, false, kv.Conditions{}, 50, nil, true, 50},
		{"replace", has, false, kv.Conditions{}, 150, nil, false, 150},
		{"a clock behind", has, false, kv.Conditions{}, 50, nil, false, 100},
		{"after a tombstone", dead, false, kv.Conditions{}, 50, nil, true, 50},
		{"delete", has, true, kv.Conditions{}, 150, nil, false, 150},
		{"delete nothing", nil, true, kv.Conditions{}, 150, kv.ErrNotFound, false, 0},
		{"delete a tombstone", dead, true, kv.Conditions{}, 150, kv.ErrNotFound, false, 0},
		{"delete nothing if it matches", nil, true, kv.Conditions{Match: star}, 150, kv.ErrNotFound, false, 0},
		{"if match", has, false, kv.Conditions{Match: this}, 150, nil, false, 150},
		{"if match another", has, false, kv.Conditions{Match: other}, 150, kv.ErrPrecondition, false, 0},
		{"if match a tombstone", dead, false, kv.Conditions{Match: star}, 150, kv.ErrPrecondition, false, 0},
		{"if there is none", nil, false, kv.Conditions{NoMatch: star}, 150, nil, true, 150},
		{"if there is none but a tombstone", dead, false, kv.Conditions{NoMatch: star}, 150, nil, true, 150},
		{"if there is none, but there is", has, false, kv.Conditions{NoMatch: star}, 150, kv.ErrPrecondition, false, 0},
		{"unless it is this", has, false, kv.Conditions{NoMatch: this}, 150, kv.ErrPrecondition, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := order{view: 7, last: 3}
			op, err := o.decide(&wire.Write{Key: "k", UID: uid.UID{9}, Delete: c.delete, Cond: c.cond, ID: 5}, c.current, c.now)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				if o.last != 3 {
					t.Error("a refused write took a number")
				}
				return
			}
			want := kv.Entry{Key: "k", UID: uid.UID{9}, Version: kv.Version{View: 7, N: 4}, Modified: c.modified, Deleted: c.delete}
			if diff := cmp.Diff(want, op.entry); diff != "" || op.created != c.created || op.id != 5 {
				t.Errorf("created %v, id %d (-want +got):\n%s", op.created, op.id, diff)
			}
			if live := c.current != nil && !c.current.Deleted; live != (op.prev.Key != "") {
				t.Errorf("it replaces %+v", op.prev)
			}
		})
	}
}

// script plays one slot's primary and two of its backups, without locks, clocks or
// network, and writes down what each has.
type script struct {
	order    order
	backups  map[string]*backup
	stores   map[string]map[string]kv.Entry // P's too
	messages map[uint64]wire.Replicate
	ops      map[uint64]*operation
}

var scriptIDs = map[string]layout.ID{"B": {2}, "C": {3}}

func (s *script) do(line string) string {
	f := strings.Fields(line)
	switch f[0] {
	case "put", "delete":
		w := &wire.Write{Key: f[1], Delete: f[0] == "delete"}
		if !w.Delete {
			w.UID = uid.UID{f[2][0]}
		}
		var current *kv.Entry
		if e, ok := s.stores["P"][w.Key]; ok {
			current = &e
		}
		op, err := s.order.decide(w, current, 0)
		if err != nil {
			return err.Error()
		}
		s.order.begin(op, []*layout.Member{{Incarnation: scriptIDs["B"]}, {Incarnation: scriptIDs["C"]}})
		s.ops[op.entry.Version.N] = op
	case "send", "late": // send N to B: as it is now; late: as it was sent first
		var n uint64
		fmt.Sscan(f[1], &n) //nolint:errcheck // the test would fail
		m, sent := s.messages[n]
		if f[0] == "send" || !sent {
			m = wire.Replicate{Watermark: s.order.watermark(), Entry: s.ops[n].entry}
			s.messages[n] = m
		}
		s.arrive(f[3], &m)
		if f[0] == "send" && s.order.acknowledge(s.ops[n], scriptIDs[f[3]]) {
			s.stores["P"][m.Entry.Key] = m.Entry
			if m.Entry.Deleted {
				delete(s.stores["P"], m.Entry.Key)
			}
			s.order.finish(s.ops[n])
		}
	case "beat":
		s.forget(f[2], s.backups[f[2]].advance(s.order.watermark()))
	}
	return s.state()
}

func (s *script) arrive(at string, m *wire.Replicate) {
	b, have := s.backups[at], s.stores[at]
	s.forget(at, b.advance(m.Watermark))
	if b.accept(&m.Entry) && have[m.Entry.Key].Version.Compare(m.Entry.Version) < 0 {
		have[m.Entry.Key] = m.Entry
	}
}

func (s *script) forget(at string, tombstones []settling) {
	for _, t := range tombstones {
		if e := s.stores[at][t.key]; e.Deleted && e.Version == t.version {
			delete(s.stores[at], t.key)
		}
	}
}

func (s *script) state() string {
	var out []string
	for _, at := range []string{"P", "B", "C"} {
		var has []string
		for _, e := range s.stores[at] {
			what := string(rune(e.UID[0]))
			if e.Deleted {
				what = "†"
			}
			has = append(has, fmt.Sprintf("%s=%s@%d", e.Key, what, e.Version.N))
		}
		slices.Sort(has)
		w := s.order.watermark()
		if b := s.backups[at]; b != nil {
			w = b.watermark
		}
		out = append(out, fmt.Sprintf("%s %v up to %d", at, has, w))
	}
	return strings.Join(out, ", ")
}

func TestTranscript(t *testing.T) {
	const transcript = `
# Nothing is committed before both have it; each message carries how far all are.
put k 1         : P [] up to 0, B [] up to 0, C [] up to 0
send 1 to B     : P [] up to 0, B [k=1@1] up to 0, C [] up to 0
send 1 to B     : P [] up to 0, B [k=1@1] up to 0, C [] up to 0
send 1 to C     : P [k=1@1] up to 1, B [k=1@1] up to 0, C [k=1@1] up to 0
# A later operation on another key overtakes one that is under way.
put k 2         : P [k=1@1] up to 1, B [k=1@1] up to 0, C [k=1@1] up to 0
put j 3         : P [k=1@1] up to 1, B [k=1@1] up to 0, C [k=1@1] up to 0
send 3 to B     : P [k=1@1] up to 1, B [j=3@3 k=1@1] up to 1, C [k=1@1] up to 0
send 3 to C     : P [j=3@3 k=1@1] up to 1, B [j=3@3 k=1@1] up to 1, C [j=3@3 k=1@1] up to 1
send 2 to B     : P [j=3@3 k=1@1] up to 1, B [j=3@3 k=2@2] up to 1, C [j=3@3 k=1@1] up to 1
send 2 to C     : P [j=3@3 k=2@2] up to 3, B [j=3@3 k=2@2] up to 1, C [j=3@3 k=2@2] up to 1
# A tombstone stays until its backup knows that all have it, then nothing older comes back.
delete k        : P [j=3@3 k=2@2] up to 3, B [j=3@3 k=2@2] up to 1, C [j=3@3 k=2@2] up to 1
send 4 to B     : P [j=3@3 k=2@2] up to 3, B [j=3@3 k=†@4] up to 3, C [j=3@3 k=2@2] up to 1
late 2 to B     : P [j=3@3 k=2@2] up to 3, B [j=3@3 k=†@4] up to 3, C [j=3@3 k=2@2] up to 1
send 4 to C     : P [j=3@3] up to 4, B [j=3@3 k=†@4] up to 3, C [j=3@3 k=†@4] up to 3
late 1 to B     : P [j=3@3] up to 4, B [j=3@3 k=†@4] up to 3, C [j=3@3 k=†@4] up to 3
beat to B       : P [j=3@3] up to 4, B [j=3@3] up to 4, C [j=3@3 k=†@4] up to 3
late 1 to B     : P [j=3@3] up to 4, B [j=3@3] up to 4, C [j=3@3 k=†@4] up to 3
late 2 to B     : P [j=3@3] up to 4, B [j=3@3] up to 4, C [j=3@3 k=†@4] up to 3
late 4 to B     : P [j=3@3] up to 4, B [j=3@3] up to 4, C [j=3@3 k=†@4] up to 3
delete k        : no such key
# A key that came back keeps its new value when the old tombstone is forgotten.
put k 5         : P [j=3@3] up to 4, B [j=3@3] up to 4, C [j=3@3 k=†@4] up to 3
send 5 to C     : P [j=3@3] up to 4, B [j=3@3] up to 4, C [j=3@3 k=5@5] up to 4
send 5 to B     : P [j=3@3 k=5@5] up to 5, B [j=3@3 k=5@5] up to 4, C [j=3@3 k=5@5] up to 4
late 4 to C     : P [j=3@3 k=5@5] up to 5, B [j=3@3 k=5@5] up to 4, C [j=3@3 k=5@5] up to 4
beat to C       : P [j=3@3 k=5@5] up to 5, B [j=3@3 k=5@5] up to 4, C [j=3@3 k=5@5] up to 5
# A tombstone above the watermark stays, though all have it: what is below may be late.
put j 6         : P [j=3@3 k=5@5] up to 5, B [j=3@3 k=5@5] up to 4, C [j=3@3 k=5@5] up to 5
delete k        : P [j=3@3 k=5@5] up to 5, B [j=3@3 k=5@5] up to 4, C [j=3@3 k=5@5] up to 5
send 7 to B     : P [j=3@3 k=5@5] up to 5, B [j=3@3 k=†@7] up to 5, C [j=3@3 k=5@5] up to 5
send 7 to C     : P [j=3@3] up to 5, B [j=3@3 k=†@7] up to 5, C [j=3@3 k=†@7] up to 5
put i 8         : P [j=3@3] up to 5, B [j=3@3 k=†@7] up to 5, C [j=3@3 k=†@7] up to 5
send 6 to C     : P [j=3@3] up to 5, B [j=3@3 k=†@7] up to 5, C [j=6@6 k=†@7] up to 5
delete i        : no such key
send 6 to B     : P [j=6@6] up to 7, B [j=6@6 k=†@7] up to 5, C [j=6@6 k=†@7] up to 5
delete j        : P [j=6@6] up to 7, B [j=6@6 k=†@7] up to 5, C [j=6@6 k=†@7] up to 5
send 9 to B     : P [j=6@6] up to 7, B [j=†@9] up to 7, C [j=6@6 k=†@7] up to 5
send 9 to C     : P [] up to 7, B [j=†@9] up to 7, C [j=†@9] up to 7
send 8 to B     : P [] up to 7, B [i=8@8 j=†@9] up to 7, C [j=†@9] up to 7
late 6 to B     : P [] up to 7, B [i=8@8 j=†@9] up to 7, C [j=†@9] up to 7
put h 0         : P [] up to 7, B [i=8@8 j=†@9] up to 7, C [j=†@9] up to 7
send 8 to C     : P [i=8@8] up to 9, B [i=8@8 j=†@9] up to 7, C [i=8@8 j=†@9] up to 7
delete i        : P [i=8@8] up to 9, B [i=8@8 j=†@9] up to 7, C [i=8@8 j=†@9] up to 7
send 11 to B    : P [i=8@8] up to 9, B [i=†@11] up to 9, C [i=8@8 j=†@9] up to 7
send 10 to B    : P [i=8@8] up to 9, B [h=0@10 i=†@11] up to 9, C [i=8@8 j=†@9] up to 7
send 10 to C    : P [h=0@10 i=8@8] up to 10, B [h=0@10 i=†@11] up to 9, C [h=0@10 i=8@8] up to 9
beat to B       : P [h=0@10 i=8@8] up to 10, B [h=0@10 i=†@11] up to 10, C [h=0@10 i=8@8] up to 9
send 11 to C    : P [h=0@10] up to 11, B [h=0@10 i=†@11] up to 10, C [h=0@10 i=†@11] up to 10
`
	s := &script{
		order: order{view: 1}, messages: map[uint64]wire.Replicate{}, ops: map[uint64]*operation{},
		backups: map[string]*backup{"B": {}, "C": {}}, stores: map[string]map[string]kv.Entry{"P": {}, "B": {}, "C": {}},
	}
	var got strings.Builder
	for line := range strings.Lines(transcript) {
		if command, _, ok := strings.Cut(line, ":"); ok && line[0] != '#' {
			line = command + ": " + s.do(command) + "\n"
		}
		got.WriteString(line)
	}
	if diff := cmp.Diff(strings.Split(transcript, "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for at, b := range s.backups {
		if len(b.unsettled) > 1 {
			t.Errorf("%s still remembers %v", at, b.unsettled)
		}
	}
}
