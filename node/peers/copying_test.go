package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// fetchReply writes a reply as an owner should: texts, and "-" for what is gone.
func fetchReply(values ...string) []byte {
	var b []byte
	for _, v := range values {
		if v == "-" {
			b = binary.BigEndian.AppendUint64(b, wire.FetchGone)
			continue
		}
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(v))), v...)
	}
	return b
}

// plain is such a reply in its plain form, packed in another one.
func plain(values ...string) []byte {
	return append([]byte{byte(wire.FormPlain)}, fetchReply(values...)...)
}

func packed(values ...string) []byte {
	return append([]byte{byte(wire.FormS2)}, s2.Encode(nil, fetchReply(values...))...)
}

// sends has the other answer all bodies so.
func (o *other) sends(b []byte) {
	o.body = func(r *peer.BodyRequest) {
		_ = r.Reply(peer.CodeOK, nil, int64(len(b)), func(w io.Writer) error { _, err := w.Write(b); return err })
	}
}

// bomb is a block that says it becomes very large.
func bomb(size uint64) []byte {
	return binary.AppendUvarint([]byte{byte(wire.FormS2)}, size)
}

// TestFetch: values come in their order, what is gone is said, and a reply that is no reply
// is an error of its owner's; what came whole before it counts.
func TestFetch(t *testing.T) {
	large := strings.Repeat("large ", 100_000)
	uids := []uid.UID{{1}, {2}, {3}}
	overflow := plain("a", "b", "c")
	overflow[1] = 0x80
	all := []string{"one", "", large}
	for name, test := range map[string]struct {
		reply []byte
		want  []string
		ok    bool
		kept  bool // the connection, as all that it brought was read
	}{
		"all":                 {plain(all...), all, true, true},
		"compressed":          {packed(all...), all, true, true},
		"gone":                {plain("-", "two", "-"), []string{"-", "two", "-"}, true, true},
		"gone, compressed":    {packed("-", "two", "-"), []string{"-", "two", "-"}, true, true},
		"no reply":            {nil, nil, false, true},
		"a form alone":        {plain(), nil, false, true},
		"half a length":       {append(plain("one"), 0, 0, 0), []string{"one"}, false, true},
		"one short":           {plain("one", "two"), []string{"one", "two"}, false, true},
		"short, compressed":   {packed("one", "two"), []string{"one", "two"}, false, true},
		"bytes short":         {plain("one", "two", "three")[:33], []string{"one", "two"}, false, true},
		"one too many":        {plain("one", "two", "three", "four"), []string{"one", "two", "three"}, false, true},
		"too many, packed":    {packed("one", "two", "three", "four"), []string{"one", "two", "three"}, false, true},
		"more than asked":     {plain(large, large, large), nil, false, false},
		"more, compressed":    {packed(large, large, large), nil, false, true},
		"more, as if less":    {append(packed("one"), make([]byte, 700_000)...), nil, false, false},
		"endless value":       {overflow, nil, false, true},
		"unknown form":        {append([]byte{2}, fetchReply(all...)...), nil, false, false},
		"both forms":          {append([]byte{3}, fetchReply(all...)...), nil, false, false},
		"no block":            {bomb(1 << 63)[:4], nil, false, true},
		"bomb":                {bomb(1 << 30), nil, false, true},
		"larger bomb":         {bomb(1 << 62), nil, false, true},
		"block of too little": {append(bomb(100), 0), nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			p, m, _ := newPeers(t, o, 1)
			o.sends(test.reply)
			var got []string
			came, err := p.Fetch(t.Context(), m, &wire.Copy{UIDs: uids, Forms: wire.FormS2}, int64(len(large)+3), func(u uid.UID, size int64, b []byte) error {
				if u != uids[len(got)] {
					t.Errorf("%v is not the next", u)
				}
				if size < 0 {
					got = append(got, "-")
					return nil
				}
				if int64(len(b)) != size {
					t.Errorf("%d bytes of %d", len(b), size)
				}
				got = append(got, string(b))
				return nil
			})
			if test.ok {
				is(t, err, nil)
			} else {
				is(t, err, kv.ErrUnavailable)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if kept := len(p.link(m).kept); kept == 1 != test.kept {
				t.Errorf("%d connections are kept", kept)
			}
			if test.kept && came != int64(len(test.reply)) || came > int64(len(test.reply)) {
				t.Errorf("%d bytes came of %d", came, len(test.reply))
			}
		})
	}
}

// TestFetchEnds: an error of the receiving side is its own, and the next exchange works.
func TestFetchEnds(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	o.sends(plain("one", "two"))
	own := errors.New("own")
	calls := 0
	q := &wire.Copy{UIDs: []uid.UID{{1}, {2}}}
	_, err := p.Fetch(t.Context(), m, q, 100, func(uid.UID, int64, []byte) error {
		calls++
		return own
	})
	if !errors.Is(err, own) || errors.Is(err, kv.ErrUnavailable) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	n := 0
	_, err = p.Fetch(t.Context(), m, q, 100, func(uid.UID, int64, []byte) error { n++; return nil })
	is(t, err, nil)
	if n != 2 {
		t.Errorf("%d values", n)
	}
	o.body = func(r *peer.BodyRequest) { _ = r.Reply(peer.CodeRefused, []byte("no"), 0, nil) }
	_, err = p.Fetch(t.Context(), m, q, 100, nil)
	is(t, err, kv.ErrUnavailable)
}

// TestFetchIsGivenUp: an owner that stops in the middle of a value does not hold up a node
// that gives up; what came whole before is not lost.
func TestFetchIsGivenUp(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	reply := plain("one", strings.Repeat("x", 1<<20))
	o.body = func(r *peer.BodyRequest) {
		_ = r.Reply(peer.CodeOK, nil, int64(len(reply)), func(w io.Writer) error {
			_, err := w.Write(reply[:len(reply)/2])
			time.AfterFunc(50*time.Millisecond, cancel)
			<-ended
			return errors.Join(err, io.ErrClosedPipe)
		})
	}
	start, n := time.Now(), 0
	came, err := p.Fetch(ctx, m, &wire.Copy{UIDs: []uid.UID{{1}, {2}}}, 2<<20, func(uid.UID, int64, []byte) error { n++; return nil })
	if time.Since(start) > 4*time.Second { // each piece may take 5
		t.Error("it waited for the rest")
	}
	close(ended)
	is(t, err, kv.ErrUnavailable)
	if kept := len(p.link(m).kept); kept != 0 || n != 1 || came < 100_000 || came > int64(len(reply)) {
		t.Errorf("%d connections are kept, %d values and %d bytes came", kept, n, came)
	}
}

// TestPages: pages are passed on as they came; what is no page is the owner's error.
func TestPages(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	pages := newPages(o)
	pages.ask(t, p, m)
	want := map[peer.Op][]byte{
		wire.OpSomeEntries: entriesAfter(7, "after").Append(nil),
		wire.OpSomeUIDs:    uidsAfter(7, uid.UID{7}).Append(nil),
	}
	if diff := cmp.Diff(want, pages.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	o.call = func(r *peer.Request) { r.Reply(peer.CodeOK, []byte{1}, nil) }
	_, _, err := p.Entries(t.Context(), m, entriesAfter(7, ""))
	is(t, err, kv.ErrUnavailable)
	_, _, err = p.UIDs(t.Context(), m, uidsAfter(7, uid.UID{}))
	is(t, err, kv.ErrUnavailable)
}

// pages are what the other answers to all who ask for pages.
type pages struct {
	entries wire.EntryPage
	values  wire.UIDPage
	asked   map[peer.Op][]byte
}

func newPages(o *other) *pages {
	s := &pages{
		entries: wire.EntryPage{Watermark: kv.Version{View: 3, N: 4}, Entries: []kv.Entry{{Key: "k"}}, More: true},
		values:  wire.UIDPage{Bytes: 9, Values: []wire.ValueInfo{{UID: uid.UID{7, 1}, Size: 5, Witness: 6}}},
		asked:   map[peer.Op][]byte{},
	}
	o.call = func(r *peer.Request) {
		s.asked[r.Op] = bytes.Clone(r.Payload)
		entries, values := s.entries.Append(nil), s.values.Append(nil)
		r.Reply(peer.CodeOK, map[peer.Op][]byte{
			wire.OpEntries: entries, wire.OpSomeEntries: entries, wire.OpUIDs: values, wire.OpSomeUIDs: values,
		}[r.Op], nil)
	}
	return s
}

func (s *pages) ask(t *testing.T, p *Peers, m *layout.Member) {
	t.Helper()
	e, came, err := p.Entries(t.Context(), m, entriesAfter(7, "after"))
	if diff := cmp.Diff(s.entries, e); diff != "" || err != nil || came != int64(len(s.entries.Append(nil))) {
		t.Errorf("%d bytes, %v (-want +got):\n%s", came, err, diff)
	}
	v, came, err := p.UIDs(t.Context(), m, uidsAfter(7, uid.UID{7}))
	if diff := cmp.Diff(s.values, v); diff != "" || err != nil || came != int64(len(s.values.Append(nil))) {
		t.Errorf("%d bytes, %v (-want +got):\n%s", came, err, diff)
	}
}
