package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// TestTake: only the bytes that the uid names are kept (§4.5), in whatever pieces they come, and
// what is not kept leaves no memory behind.
func TestTake(t *testing.T) {
	secret, err := uid.NewSecret([]byte("test"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 4096, 40_000, 200_000} {
		right := bytes.Repeat([]byte{7}, size)
		flipped := bytes.Clone(right)
		if size > 0 {
			flipped[size/2] ^= 1
		}
		v := wire.ValueInfo{UID: secret.Sum(right), Size: int64(size), Witness: 9}
		for name, test := range map[string]struct {
			sent  []byte
			limit int64
			want  error
		}{
			"right":     {sent: right},
			"more":      {sent: append(bytes.Clone(right), 1), want: ErrCorrupt},
			"flipped":   {sent: flipped, want: ErrCorrupt},
			"short":     {sent: right[:size/2], want: ErrCorrupt},
			"no memory": {sent: right, limit: 1, want: kv.ErrNoMemory},
		} {
			if size == 0 && (name == "flipped" || name == "short") {
				continue
			}
			for how, take := range map[string]func(*Memory, wire.ValueInfo, []byte) error{"whole": (*Memory).Take, "in parts": inParts} {
				t.Run(fmt.Sprintf("%d %s %s", size, name, how), func(t *testing.T) {
					s := store.New(store.Options{Limit: test.limit})
					defer s.Close()
					var placed []uid.UID
					m := &Memory{Store: s, Secret: secret, Placed: func(u uid.UID) { placed = append(placed, u) }}
					if err := take(m, v, test.sent); !errors.Is(err, test.want) {
						t.Fatalf("%v, want %v", err, test.want)
					}
					if test.want != nil {
						if st := s.Stats(); st.CellBytes != 0 || len(placed) != 0 {
							t.Errorf("%d bytes are left; placed: %v", st.CellBytes, placed)
						}
						return
					}
					kept(t, s, v, right)
					if !slices.Equal(placed, []uid.UID{v.UID}) {
						t.Errorf("placed %v", placed)
					}
				})
			}
		}
	}
}

// inParts takes bytes in three pieces.
func inParts(m *Memory, v wire.ValueInfo, b []byte) error {
	p, err := m.Begin(v)
	if err != nil {
		return err
	}
	for _, piece := range [][]byte{b[:len(b)/3], b[len(b)/3 : len(b)/2], b[len(b)/2:]} {
		if _, err := p.Write(piece); err != nil {
			p.Discard()
			return errors.Join(ErrCorrupt, err)
		}
	}
	return p.Finish()
}

func kept(t *testing.T, s *store.Store, v wire.ValueInfo, want []byte) {
	t.Helper()
	got := s.Value(v.UID)
	if got == nil {
		t.Fatal("it is not here")
	}
	defer got.Close()
	var b bytes.Buffer
	if err := kv.WriteChunks(&b, got); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
	if f, _ := s.Age(v.UID); f.Witness != v.Witness {
		t.Errorf("witness %d", f.Witness)
	}
}

// TestMemoryTouch: what is here is touched and told of, what is not is not.
func TestMemoryTouch(t *testing.T) {
	s := store.New(store.Options{Limit: 1 << 20})
	defer s.Close()
	told := 0
	m := &Memory{Store: s, Placed: func(uid.UID) { told++ }}
	if m.Touch(uid.UID{1}, 5) || told != 0 {
		t.Error("a value that is not here was touched")
	}
	if _, err := s.InstallBytes(uid.UID{1}, []byte("x"), 4); err != nil {
		t.Fatal(err)
	}
	before, _ := s.Age(uid.UID{1})
	if !m.Touch(uid.UID{1}, 5) || told != 1 {
		t.Error("a value that is here was not touched")
	}
	if after, _ := s.Age(uid.UID{1}); after.Witness != 5 || after.Generation == before.Generation {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if !m.Room(1000) || m.Room(2<<20) {
		t.Error("room is as the store has it")
	}
}
