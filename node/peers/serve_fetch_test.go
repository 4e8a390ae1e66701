package peers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// value is what put stores.
func value(n, size int) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(n)), make([]byte, size)...)
}

// TestServeFetch: what is here comes with its bytes, of any size and shape, what is not is
// said to be gone, and nothing is held afterwards; compressed or not.
func TestServeFetch(t *testing.T) {
	for _, forms := range []wire.Form{wire.FormPlain, wire.FormS2, wire.FormS2 | 0x80} {
		for _, sizes := range [][]int{{0, 1, 5000, 200_000, 3 << 20, 70_000}, {0, 1, 5000, 200_000, 70_000}} {
			s, p, m := newServing(t)
			q := &wire.Copy{Forms: forms}
			for i, size := range sizes {
				q.UIDs = append(q.UIDs, s.put(t, i, size), uid.UID{7, 9, byte(i)}) // every second one is not here
			}
			i, total := 0, int64(0)
			came, err := p.Fetch(t.Context(), m, q, wire.MaxFetch, func(_ uid.UID, size int64, b []byte) error {
				defer func() { i++ }()
				if i%2 == 1 {
					if size >= 0 {
						t.Errorf("value %d has %d bytes", i, size)
					}
					return nil
				}
				total += size
				if want := value(i/2, sizes[i/2]); !bytes.Equal(b, want) || size != int64(len(want)) {
					t.Errorf("value %d: %d of %d bytes", i/2, len(b), size)
				}
				return nil
			})
			if err != nil || i != len(q.UIDs) {
				t.Errorf("%v after %d values", err, i)
			}
			plain := total + int64(len(q.UIDs))*wire.FetchHeader + 1
			if packed := forms&wire.FormS2 != 0 && total < wire.MaxCompressed; packed == (came == plain) || packed && came > plain/10 {
				t.Errorf("forms %d: %d bytes came for %d", forms, came, plain)
			}
			for _, u := range q.UIDs {
				s.Owner.Store.Drop(u)
			}
			// They are let go behind the last byte of the answer.
			held := func() int64 { return s.Owner.Store.Stats().CellBytes }
			for end := time.Now().Add(10 * time.Second); held() != 0 && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if n := held(); n != 0 {
				t.Errorf("%d bytes are still held", n)
			}
		}
	}
}

// TestServeNoise: what does not shrink by an eighth comes as it is, whoever would take it
// compressed.
func TestServeNoise(t *testing.T) {
	s, p, m := newServing(t)
	for name, test := range map[string]struct {
		noise, zeros, more int
		packed             bool
	}{
		"noise": {100_000, 0, 0, false}, "not in the sample": {50_000, 50_000, 0, false}, "in the sample alone": {1, 8_000, 91_999, false},
		"nearly all": {5_000, 95_000, 0, true},
	} {
		noise := make([]byte, test.noise+test.zeros+test.more)
		random := rand.NewChaCha8([32]byte{})
		_, _ = random.Read(noise[:test.noise])
		_, _ = random.Read(noise[test.noise+test.zeros:])
		u := uid.UID{7, byte(test.zeros)}
		if _, err := s.Owner.Store.InstallBytes(u, noise, 1); err != nil {
			t.Fatal(err)
		}
		came, err := p.Fetch(t.Context(), m, &wire.Copy{UIDs: []uid.UID{u}, Forms: wire.FormS2}, 100_000, func(_ uid.UID, _ int64, b []byte) error {
			if !bytes.Equal(b, noise) {
				t.Errorf("%s: other bytes", name)
			}
			return nil
		})
		if packed := came < 100_000; err != nil || packed != test.packed {
			t.Errorf("%s: %d bytes came, %v", name, came, err)
		}
	}
}

// TestServeParts: a value comes in parts of any length, in any form.
func TestServeParts(t *testing.T) {
	s, p, m := newServing(t)
	u, want := s.put(t, 5, 300_000), value(5, 300_000)
	for _, forms := range []wire.Form{wire.FormPlain, wire.FormS2} {
		for _, length := range []int64{1, 1000, 100_001, 400_000} {
			for _, offset := range []int64{0, 1, 299_999, 300_007} {
				q := &wire.Copy{UIDs: []uid.UID{u}, Offset: offset, Length: length, Forms: forms}
				var b bytes.Buffer
				size, came, err := p.FetchPart(t.Context(), m, q, 300_008, &b)
				if err != nil || size != 300_008 || !bytes.Equal(b.Bytes(), want[offset:min(offset+length, 300_008)]) {
					t.Errorf("%d from %d: %d bytes of %d, %v", length, offset, b.Len(), size, err)
				}
				if packed := forms == wire.FormS2 && length >= 1000 && offset < 2; packed != (came < min(length, 300_008-offset)) {
					t.Errorf("%d from %d: %d bytes came", length, offset, came)
				}
			}
		}
	}
	var b bytes.Buffer
	for id, test := range map[uid.UID]struct{ total, size int64 }{u: {300_009, 300_008}, {7, 9}: {5, -1}} {
		size, _, err := p.FetchPart(t.Context(), m, &wire.Copy{UIDs: []uid.UID{id}, Length: 5}, test.total, &b)
		if err != nil || size != test.size || b.Len() > 0 {
			t.Errorf("%d bytes of %d, %v", b.Len(), size, err)
		}
	}
	beyond := wire.Copy{UIDs: []uid.UID{u}, Offset: 400_000, Length: 5}
	r, bulk, body, err := p.exchange(t.Context(), p.link(m), wire.OpCopy, beyond.Append(nil), nil)
	if err != nil || r.Code != peer.CodeOK || body.N != 1+wire.FetchHeader {
		t.Errorf("a part beyond the end: %v, %d bytes, %v", r.Code, body.N, err)
	}
	bulk.Close()
	own := errors.New("own")
	if _, _, err := p.FetchPart(t.Context(), m, &wire.Copy{UIDs: []uid.UID{u}, Length: 5}, 300_008, failing{own}); !errors.Is(err, own) {
		t.Errorf("the writer's error became %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestFetchLimits: too much at once is refused, but one value alone may have any size.
func TestFetchLimits(t *testing.T) {
	s, p, m := newServing(t)
	small, large := s.put(t, 1, 1), s.put(t, 2, wire.MaxFetch+1)
	for name, test := range map[string]struct {
		uids []uid.UID
		ok   bool
	}{
		"large alone":       {[]uid.UID{large}, true},
		"large with others": {[]uid.UID{small, large}, false},
		"many":              {make([]uid.UID, wire.MaxFetchValues), true},
		"too many":          {make([]uid.UID, wire.MaxFetchValues+1), false},
		"none":              {nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.Fetch(t.Context(), m, &wire.Copy{UIDs: test.uids}, 2*wire.MaxFetch, func(uid.UID, int64, []byte) error { return nil })
			if (err == nil) != test.ok {
				t.Error(err)
			}
		})
	}
}
