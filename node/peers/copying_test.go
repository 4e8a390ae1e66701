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

// sends has the other answer all bodies so.
func (o *other) sends(b []byte) {
	o.body = func(r *peer.BodyRequest) {
		_ = r.Reply(peer.CodeOK, nil, int64(len(b)), func(w io.Writer) error { _, err := w.Write(b); return err })
	}
}

// TestFetch: values come in their order, what is gone is said, what is left unread does
// not disturb the next one, and a reply that is no reply is an error of its owner's.
func TestFetch(t *testing.T) {
	large := strings.Repeat("large ", 100_000)
	uids := []uid.UID{{1}, {2}, {3}}
	overflow := fetchReply("a", "b", "c")
	overflow[0] = 0x80
	for name, test := range map[string]struct {
		reply []byte
		read  int // of each value; -1: all
		want  []string
		ok    bool
		kept  bool // the connection, as all that it brought was read
	}{
		"all":              {fetchReply("one", "", large), -1, []string{"one", "", large}, true, true},
		"gone":             {fetchReply("-", "two", "-"), -1, []string{"-", "two", "-"}, true, true},
		"left unread":      {fetchReply("one", large, "three"), 2, []string{"on", "la", "th"}, true, true},
		"nothing read":     {fetchReply("one", large, "three"), 0, []string{"", "", ""}, true, true},
		"no reply":         {nil, -1, nil, false, true},
		"half a length":    {append(fetchReply("one"), 0, 0, 0), -1, []string{"one"}, false, true},
		"one short":        {fetchReply("one", "two"), -1, []string{"one", "two"}, false, true},
		"bytes short":      {fetchReply("one", "two", "three")[:32], -1, []string{"one", "two", "th"}, false, true},
		"short and unread": {fetchReply("one", "two", "three")[:32], 0, []string{"", "", ""}, false, true},
		"one too many":     {fetchReply("one", "two", "three", "four"), -1, []string{"one", "two", "three"}, false, false},
		"endless value":    {overflow, -1, nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOther(t)
			p, m, _ := newPeers(t, o, 1)
			o.sends(test.reply)
			var got []string
			err := p.Fetch(t.Context(), m, uids, func(u uid.UID, size int64, r io.Reader) error {
				if u != uids[len(got)] {
					t.Errorf("%v is not the next", u)
				}
				if size < 0 {
					got = append(got, "-")
					return nil
				}
				if test.read >= 0 {
					r = io.LimitReader(r, int64(test.read))
				}
				b, err := io.ReadAll(r)
				got = append(got, string(b))
				return err
			})
			if test.ok {
				is(t, err, nil)
			} else {
				is(t, err, kv.ErrUnavailable)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if kept := len(p.link(m).bulk); kept == 1 != test.kept {
				t.Errorf("%d connections are kept", kept)
			}
		})
	}
}

// TestFetchEnds: an error of the receiving side is its own, and the next exchange works.
func TestFetchEnds(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	o.sends(fetchReply("one", "two"))
	own := errors.New("own")
	calls := 0
	err := p.Fetch(t.Context(), m, []uid.UID{{1}, {2}}, func(uid.UID, int64, io.Reader) error {
		calls++
		return own
	})
	if !errors.Is(err, own) || errors.Is(err, kv.ErrUnavailable) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	n := 0
	is(t, p.Fetch(t.Context(), m, []uid.UID{{1}, {2}}, func(uid.UID, int64, io.Reader) error { n++; return nil }), nil)
	if n != 2 {
		t.Errorf("%d values", n)
	}
	o.body = func(r *peer.BodyRequest) { _ = r.Reply(peer.CodeRefused, []byte("no"), 0, nil) }
	is(t, p.Fetch(t.Context(), m, []uid.UID{{1}}, nil), kv.ErrUnavailable)
}

// TestFetchIsGivenUp: an owner that stops in the middle of a value does not hold up a node
// that gives up.
func TestFetchIsGivenUp(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	reply := fetchReply(strings.Repeat("x", 1<<20))
	o.body = func(r *peer.BodyRequest) {
		_ = r.Reply(peer.CodeOK, nil, int64(len(reply)), func(w io.Writer) error {
			_, err := w.Write(reply[:len(reply)/2])
			<-ended
			return errors.Join(err, io.ErrClosedPipe)
		})
	}
	err := p.Fetch(ctx, m, []uid.UID{{1}}, func(_ uid.UID, _ int64, r io.Reader) error {
		cancel()
		start := time.Now()
		_, err := io.Copy(io.Discard, r)
		if time.Since(start) > 4*time.Second { // each piece may take 5
			t.Error("it waited for the rest")
		}
		return err
	})
	close(ended)
	is(t, err, kv.ErrUnavailable)
	if kept := len(p.link(m).bulk); kept != 0 {
		t.Errorf("%d connections are kept", kept)
	}
}

// TestPages: pages are passed on as they came; what is no page is the owner's error.
func TestPages(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	entries := wire.EntryPage{Watermark: kv.Version{View: 3, N: 4}, Entries: []kv.Entry{{Key: "k"}}, More: true}
	values := wire.UIDPage{Bytes: 9, Values: []wire.ValueInfo{{UID: uid.UID{7, 1}, Size: 5, Witness: 6}}}
	asked := map[peer.Op][]byte{}
	o.call = func(r *peer.Request) {
		asked[r.Op] = bytes.Clone(r.Payload)
		r.Reply(peer.CodeOK, map[peer.Op][]byte{wire.OpEntries: entries.Append(nil), wire.OpUIDs: values.Append(nil)}[r.Op], nil)
	}
	e, err := p.Entries(t.Context(), m, 7, "after")
	if diff := cmp.Diff(entries, e); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	v, err := p.UIDs(t.Context(), m, 7, uid.UID{7})
	if diff := cmp.Diff(values, v); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	want := map[peer.Op][]byte{
		wire.OpEntries: (&wire.Entries{Slot: 7, After: "after"}).Append(nil),
		wire.OpUIDs:    (&wire.UIDsAfter{Slot: 7, After: uid.UID{7}}).Append(nil),
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	o.call = func(r *peer.Request) { r.Reply(peer.CodeOK, []byte{1}, nil) }
	_, err = p.Entries(t.Context(), m, 7, "")
	is(t, err, kv.ErrUnavailable)
	_, err = p.UIDs(t.Context(), m, 7, uid.UID{})
	is(t, err, kv.ErrUnavailable)
}
