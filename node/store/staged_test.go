package store

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

func TestStagedLongerThanAnnounced(t *testing.T) {
	for _, size := range []int64{0, 10, halfSize, 2 * blockSize} {
		s := open(t, Options{})
		st, err := s.Stage(size)
		if err != nil {
			t.Fatal(err)
		}
		body := noise(1, int(size)+1)
		if n, err := st.Write(body); int64(n) != size || !errors.Is(err, ErrSize) {
			t.Errorf("Write: %d, %v", n, err)
		}
		if n, err := st.ReadFrom(strings.NewReader("x")); n != 0 || !errors.Is(err, ErrSize) {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		if n, err := st.ReadFrom(strings.NewReader("")); n != 0 || err != nil {
			t.Errorf("ReadFrom of nothing: %d, %v", n, err)
		}
		u := secret.Sum(body[:size])
		s.Install(u, st, 0)
		v := s.Value(u)
		if !bytes.Equal(read(t, v), body[:size]) {
			t.Errorf("the %d bytes announced did not stay", size)
		}
		v.Close()
	}
}

func TestStagedReadError(t *testing.T) {
	s := open(t, Options{})
	broken := errors.New("connection reset")
	for _, size := range []int64{-1, 1 << 20} {
		st, err := s.Stage(size)
		if err != nil {
			t.Fatal(err)
		}
		n, err := st.ReadFrom(io.MultiReader(bytes.NewReader(make([]byte, 100_000)), iotest.ErrReader(broken)))
		if n != 100_000 || st.Size() != n || !errors.Is(err, broken) {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		st.Discard()
		st.Discard()
		checkEmpty(t, s)
	}
}

func TestTransit(t *testing.T) {
	s := open(t, Options{Limit: 1 << 20, Transit: 4 << 20})
	if _, err := s.StageTransit(5 << 20); !errors.Is(err, kv.ErrNoMemory) {
		t.Fatalf("beyond Transit: %v", err)
	}
	body := noise(1, 3<<20) // more than Limit, which it does not count against
	st, err := s.StageTransit(int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Write(body); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Used != 0 || got.Transit < 3<<20 || got.TransitLimit != 4<<20 {
		t.Errorf("stats %+v", got)
	}
	if _, err := s.StageTransit(2 << 20); !errors.Is(err, kv.ErrNoMemory) {
		t.Errorf("beyond Transit: %v", err)
	}
	if got := readStaged(t, st); !bytes.Equal(got, body) {
		t.Error("it does not read back")
	}
	mustPanic(t, func() { s.Install(uid.UID{}, st, 0) })
	st.Discard()
	if s.transit.Stats() != (arena.Stats{}) {
		t.Error("it is still in use")
	}
	mustPanic(t, func() { s.Install(uid.UID{}, st, 0) })
}

func readStaged(t *testing.T, st *Staged) []byte {
	t.Helper()
	var out []byte
	for int64(len(out)) < st.Size() {
		b, err := st.Chunk(int64(len(out)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	if _, err := st.Chunk(st.Size()); !errors.Is(err, io.EOF) {
		t.Errorf("Chunk behind the end: %v", err)
	}
	return out
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}
