package replica

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
)

// script plays one slot's primary and its two backups and writes down what each has in its
// memory and up to where it knows that all have it.
type script struct {
	*world
	ops  map[uint64]*Op
	sent map[uint64]map[layout.ID]*Replicate // as it was sent first
}

var scriptIDs = map[string]layout.ID{"P": idP, "B": idB, "C": idC}

func (s *script) do(line string) string {
	f := strings.Fields(line)
	p := s.nodes[idP]
	switch f[0] {
	case "put", "delete":
		write := del(f[1])
		if f[0] == "put" {
			write = put(f[1], f[2][0])
		}
		op := p.order(write)
		if op.err != nil {
			return op.err.Error()
		}
	case "send", "late": // send N to B: as it would be sent now; late: as it was sent first
		var n uint64
		fmt.Sscan(f[1], &n) //nolint:errcheck // the test would fail
		to := scriptIDs[f[3]]
		m := message{from: p, to: to, replicate: s.sent[n][to]}
		if f[0] == "late" {
			s.arrive(m)
			break
		}
		m.replicate = p.slots[slotK].replicate(s.ops[n], m.replicate.To)
		s.deliver(m)
	case "beat":
		s.beat(idP, scriptIDs[f[2]])
	}
	for _, m := range p.sent() {
		n := m.replicate.Msg.Entry.Version.N
		if s.ops[n] == nil {
			s.ops[n], s.sent[n] = m.replicate.op, map[layout.ID]*Replicate{}
		}
		s.sent[n][m.to] = m.replicate
	}
	return s.state()
}

func (s *script) state() string {
	var out []string
	for _, at := range []string{"P", "B", "C"} {
		var has []string
		n := s.nodes[scriptIDs[at]]
		n.store.Entries(slotK, "", func(e *kv.Entry) bool {
			what := string(rune(e.UID[0]))
			if e.Deleted {
				what = "†"
			}
			has = append(has, fmt.Sprintf("%s=%s@%d", e.Key, what, e.Version.N))
			return true
		})
		slices.Sort(has)
		watermark := n.slots[slotK].backup.watermark
		if at == "P" {
			watermark = n.slots[slotK].order.watermark()
		}
		out = append(out, fmt.Sprintf("%s %v up to %d", at, has, watermark))
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
# A write of a key that has one under way waits, and is ordered when that has ended.
delete i        : P [j=3@3] up to 5, B [j=3@3 k=†@7] up to 5, C [j=6@6 k=†@7] up to 5
send 6 to B     : P [j=6@6] up to 7, B [j=6@6 k=†@7] up to 5, C [j=6@6 k=†@7] up to 5
delete j        : P [j=6@6] up to 7, B [j=6@6 k=†@7] up to 5, C [j=6@6 k=†@7] up to 5
send 9 to B     : P [j=6@6] up to 7, B [j=†@9] up to 7, C [j=6@6 k=†@7] up to 5
send 9 to C     : P [] up to 7, B [j=†@9] up to 7, C [j=†@9] up to 7
send 8 to B     : P [] up to 7, B [i=8@8 j=†@9] up to 7, C [j=†@9] up to 7
late 6 to B     : P [] up to 7, B [i=8@8 j=†@9] up to 7, C [j=†@9] up to 7
put h 0         : P [] up to 7, B [i=8@8 j=†@9] up to 7, C [j=†@9] up to 7
send 8 to C     : P [i=8@8] up to 9, B [i=8@8 j=†@9] up to 7, C [i=8@8 j=†@9] up to 7
send 11 to B    : P [i=8@8] up to 9, B [i=†@11] up to 9, C [i=8@8 j=†@9] up to 7
send 10 to B    : P [i=8@8] up to 9, B [h=0@10 i=†@11] up to 9, C [i=8@8 j=†@9] up to 7
send 10 to C    : P [h=0@10 i=8@8] up to 10, B [h=0@10 i=†@11] up to 9, C [h=0@10 i=8@8] up to 9
beat to B       : P [h=0@10 i=8@8] up to 10, B [h=0@10 i=†@11] up to 10, C [h=0@10 i=8@8] up to 9
send 11 to C    : P [h=0@10] up to 11, B [h=0@10 i=†@11] up to 10, C [h=0@10 i=†@11] up to 10
`
	w, _, b, c := three(t)
	s := &script{world: w, ops: map[uint64]*Op{}, sent: map[uint64]map[layout.ID]*Replicate{}}
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
	for _, n := range []*node{b, c} {
		if unsettled := n.slots[slotK].backup.unsettled; len(unsettled) > 1 {
			t.Errorf("%d still remembers %v", n.id[0], unsettled)
		}
	}
	if !s.nodes[idP].refers('0') || s.nodes[idP].refers('5') {
		t.Error("what is referred to is not what there is")
	}
}
