package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

var secret = func() *uid.Secret {
	s, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		panic(err)
	}
	return s
}()

// noise is n bytes that no other seed has.
func noise(seed, n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(n), byte(n >> 8), byte(n >> 16)})
	b := make([]byte, n)
	_, _ = r.Read(b)
	return b
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// read returns all of a value, in the chunks the store gives.
func read(t testing.TB, v kv.Value) []byte {
	t.Helper()
	out := []byte{}
	for int64(len(out)) < v.Size() {
		b, err := v.Chunk(int64(len(out)))
		if err != nil || len(b) == 0 {
			t.Fatalf("Chunk(%d) of %d bytes: %d bytes, %v", len(out), v.Size(), len(b), err)
		}
		out = append(out, b...)
	}
	if b, err := v.Chunk(v.Size()); !errors.Is(err, io.EOF) {
		t.Fatalf("Chunk behind the end: %d bytes, %v", len(b), err)
	}
	return out
}

var sizes = []int{0, 1, 127, 128, 4096, halfSize - headBytes - 4, halfSize - headBytes - 3, halfSize, halfSize + 1,
	blockSize - 1, blockSize, blockSize + 1, blockSize + halfSize - 60, blockSize + halfSize, 2*blockSize - 1, 1 << 20, 1<<20 + 12345}

func TestValuesComeBack(t *testing.T) {
	ways := map[string]func(*Store, uid.UID, []byte) error{
		"bytes": func(s *Store, u uid.UID, b []byte) error { _, err := s.InstallBytes(u, b, 7); return err },
		"known size": func(s *Store, u uid.UID, b []byte) error {
			return stageAndInstall(s, u, b, int64(len(b)), func(st *Staged) error { _, err := st.Write(b); return err })
		},
		"unknown size": func(s *Store, u uid.UID, b []byte) error {
			return stageAndInstall(s, u, b, -1, func(st *Staged) error { _, err := st.Write(b); return err })
		},
		"small writes": func(s *Store, u uid.UID, b []byte) error {
			return stageAndInstall(s, u, b, -1, func(st *Staged) error {
				_, err := io.CopyBuffer(struct{ io.Writer }{st}, struct{ io.Reader }{bytes.NewReader(b)}, make([]byte, 999))
				return err
			})
		},
		"read from": func(s *Store, u uid.UID, b []byte) error {
			return stageAndInstall(s, u, b, int64(len(b)), func(st *Staged) error {
				_, err := st.ReadFrom(iotest.DataErrReader(bytes.NewReader(b)))
				return err
			})
		},
		"read from, unknown": func(s *Store, u uid.UID, b []byte) error {
			return stageAndInstall(s, u, b, -1, func(st *Staged) error {
				_, err := st.ReadFrom(iotest.HalfReader(bytes.NewReader(b)))
				return err
			})
		},
		"shorter than announced": func(s *Store, u uid.UID, b []byte) error {
			return stageAndInstall(s, u, b, int64(len(b))+40000, func(st *Staged) error { _, err := st.Write(b); return err })
		},
	}
	for name, install := range ways {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			for _, size := range sizes {
				b := noise(1, size)
				u := secret.Sum(b)
				if err := install(s, u, b); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				v := s.Value(u)
				if v == nil || v.UID() != u || v.Size() != int64(size) || !bytes.Equal(read(t, v), b) {
					t.Fatalf("%d bytes did not come back", size)
				}
				v.Close()
				if got, _ := s.Age(u); got.Witness != 7 {
					t.Errorf("witness %d", got.Witness)
				}
				sh := shapeOf(int64(size))
				if got := s.Stats().CellBytes; got != sh.memory()+leafMin*itemBytes {
					t.Errorf("%d bytes take %d, want %d", size, got, sh.memory()+leafMin*itemBytes)
				}
				if !s.Drop(u) || s.Drop(u) || s.Has(u) {
					t.Fatalf("%d bytes did not go", size)
				}
				checkEmpty(t, s)
			}
		})
	}
}

func stageAndInstall(s *Store, u uid.UID, b []byte, size int64, write func(*Staged) error) error {
	st, err := s.Stage(size)
	if err != nil {
		return err
	}
	if err := write(st); err != nil {
		return err
	}
	if st.Size() != int64(len(b)) {
		return fmt.Errorf("size %d after %d bytes", st.Size(), len(b))
	}
	var back []byte
	for int64(len(back)) < st.Size() {
		c, err := st.Chunk(int64(len(back)))
		if err != nil {
			return err
		}
		back = append(back, c...)
	}
	if !bytes.Equal(back, b) {
		return errors.New("what was staged does not read back")
	}
	s.Install(u, st, 7)
	st.Discard() // must do nothing
	return nil
}

func checkEmpty(t testing.TB, s *Store) {
	t.Helper()
	if st := s.mem.Stats(); st.Cells != 0 || st.Blocks != 0 || st.Pages != 0 {
		t.Fatalf("memory is still in use: %+v", st)
	}
}
