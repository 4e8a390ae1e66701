package peers

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// TestFetchPart: the part that was asked for comes, or an error of its owner's.
func TestFetchPart(t *testing.T) {
	part := strings.Repeat("p", 40)
	sized := func(size uint64, form byte, text string) []byte {
		b := append(binary.BigEndian.AppendUint64(nil, size), text...)
		if wire.Form(form) == wire.FormS2 {
			b = s2.Encode(nil, b)
		}
		return append([]byte{form}, b...)
	}
	for name, test := range map[string]struct {
		reply []byte
		size  int64
		want  string
		ok    bool
	}{
		"all of it":            {sized(50, 0, part), 50, part, true},
		"compressed":           {sized(50, 1, part), 50, part, true},
		"gone":                 {plain("-"), -1, "", true},
		"gone, compressed":     {packed("-"), -1, "", true},
		"of another size":      {sized(51, 0, part), 51, "", true},
		"no reply":             {nil, 0, "", false},
		"half a length":        {plain(part)[:5], 0, "", false},
		"too short":            {sized(50, 0, part[1:]), 0, "", false},
		"too short, packed":    {sized(50, 1, part[1:]), 0, "", false},
		"too long":             {sized(50, 0, part+"s"), 0, "", false},
		"too long, packed":     {sized(50, 1, part+"s"), 0, "", false},
		"far too long, packed": {append(sized(50, 1, part), make([]byte, 700_000)...), 0, "", false},
		"endless":              {sized(1<<63, 0, part), 0, "", false},
		"unknown form":         {sized(50, 4, part), 0, "", false},
		"bomb":                 {bomb(1 << 30), 0, "", false},
		"no block":             {sized(50, 1, part)[:4], 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			p, m, _ := newPeers(t, o, 1)
			o.sends(test.reply)
			var b strings.Builder
			size, came, err := p.FetchPart(t.Context(), m, &wire.Copy{UIDs: []uid.UID{{1}}, Offset: 5, Length: 40}, 50, &b)
			if came > 100 {
				t.Errorf("%d bytes were read", came)
			}
			if b.String() != test.want {
				t.Errorf("%q, want %q", b.String(), test.want)
			}
			if !test.ok {
				is(t, err, kv.ErrUnavailable)
				return
			}
			is(t, err, nil)
			if size != test.size {
				t.Errorf("size %d", size)
			}
		})
	}
}

// FuzzCopied: whatever a broken peer sends, what is made of it has no more bytes than were asked
// for, and no value is given out that is not all there.
func FuzzCopied(f *testing.F) {
	for _, b := range [][]byte{plain("one", "-", "three"), packed("one", "-", strings.Repeat("x", 90)), bomb(1 << 40), nil} {
		f.Add(b, true)
		f.Add(b, false)
	}
	m := &layout.Member{}
	f.Fuzz(func(t *testing.T, b []byte, formed bool) {
		const most = 100
		body := func() *copied {
			return &copied{m: m, body: &io.LimitedReader{R: bytes.NewReader(b), N: int64(len(b))}, size: int64(len(b)), formed: formed}
		}
		c := body()
		if whole, err := c.whole(most); whole != nil {
			if len(whole.b) > most {
				t.Fatalf("%d bytes", len(whole.b))
			}
			total := int64(0)
			_ = c.split(whole.b, []uid.UID{{1}, {2}, {3}}, func(_ uid.UID, size int64, b []byte) error {
				if total += int64(len(b)); size >= 0 && size != int64(len(b)) {
					t.Fatalf("%d bytes of %d", len(b), size)
				}
				return nil
			}, err)
			if total > most {
				t.Fatalf("%d bytes of values", total)
			}
			whole.free()
		}
		var w bytes.Buffer
		size, err := body().part(&wire.Copy{UIDs: []uid.UID{{1}}, Offset: 10, Length: 20}, 100, &w)
		if n := w.Len(); formed && n > 20 || n > 90 || err == nil && size == 100 && n < 20 {
			t.Fatalf("a part of %d bytes, size %d, %v", n, size, err)
		}
	})
}
