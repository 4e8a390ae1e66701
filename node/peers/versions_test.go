package peers

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// TestVersionBefore: a node of a version that knows nothing of small pages, parts and
// compression is asked in its own words, after it has been found out once.
func TestVersionBefore(t *testing.T) {
	o := newOther(t)
	p, m, _ := newPeers(t, o, 1)
	pages := newPages(o)
	call := o.call
	o.call = func(r *peer.Request) {
		if r.Op > wire.OpFetch {
			r.Reply(peer.CodeBad, []byte(fmt.Sprintf("unknown operation %d", r.Op)), nil)
			return
		}
		call(r)
	}
	o.body = func(r *peer.BodyRequest) {
		q, err := wire.ParseUIDs(r.Payload)
		if r.Op != wire.OpFetch || err != nil || len(q.UIDs) != 1 {
			_ = r.Reply(peer.CodeBad, []byte(fmt.Sprintf("unknown operation %d", r.Op)), 0, nil)
			return
		}
		b := fetchReply("0123456789")
		_ = r.Reply(peer.CodeOK, nil, int64(len(b)), func(w io.Writer) error { _, err := w.Write(b); return err })
	}
	for range 2 {
		pages.ask(t, p, m)
		var got string
		came, err := p.Fetch(t.Context(), m, &wire.Copy{UIDs: []uid.UID{{1}}, Forms: wire.FormS2}, 10, func(_ uid.UID, _ int64, b []byte) error {
			got = string(b)
			return nil
		})
		if err != nil || got != "0123456789" || came != 18 {
			t.Errorf("fetched %q in %d bytes, %v", got, came, err)
		}
		var b strings.Builder
		size, came, err := p.FetchPart(t.Context(), m, &wire.Copy{UIDs: []uid.UID{{1}}, Offset: 4, Length: 2}, 10, &b)
		if err != nil || size != 10 || b.String() != "456789" || came != 18 { // it knows of no parts
			t.Errorf("a part %q of %d bytes in %d, %v", b.String(), size, came, err)
		}
	}
	want := map[peer.Op][]byte{
		wire.OpEntries: (&wire.Entries{Slot: 7, After: "after"}).Append(nil),
		wire.OpUIDs:    (&wire.UIDsAfter{Slot: 7, After: uid.UID{7}}).Append(nil),
	}
	if diff := cmp.Diff(want, pages.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if n := len(o.ops()); n != 1+2*4 {
		t.Errorf("%d questions: %v", n, o.ops())
	}
}

// TestAskedByVersionBefore: a node of such a version gets whole values in the form it knows.
func TestAskedByVersionBefore(t *testing.T) {
	s, p, m := newServing(t)
	u := s.put(t, 1, 100_000)
	q := wire.UIDs{UIDs: []uid.UID{u, {7, 9}}}
	r, bulk, body, err := p.exchange(t.Context(), p.link(m), wire.OpFetch, q.Append(nil), nil)
	if err != nil || r.Code != peer.CodeOK {
		t.Fatalf("%v, %v", r.Code, err)
	}
	defer bulk.Close()
	b, err := io.ReadAll(body)
	if want := fetchReply(string(value(1, 100_000)), "-"); err != nil || !bytes.Equal(b, want) {
		t.Errorf("%d bytes, want %d; %v", len(b), len(want), err)
	}
	entries, values := wire.Entries{Slot: 7}, wire.UIDsAfter{Slot: 7}
	for op, q := range map[peer.Op][]byte{wire.OpEntries: entries.Append(nil), wire.OpUIDs: values.Append(nil)} {
		if _, err := p.call(t.Context(), m, placeTimeout, op, q, nil); err != nil {
			t.Errorf("%s: %v", opName(op), err)
		}
	}
}
