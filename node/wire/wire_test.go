package wire

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

var (
	u     = uid.UID{1, 2, 3}
	entry = kv.Entry{
		Key: "k\x00\xff", UID: u, Size: 1 << 40, ContentType: "text/plain",
		Version: kv.Version{View: 3, N: 9}, Modified: -5, Expires: 7, Deleted: true,
	}
	write = Write{
		Key: "k", UID: u, Size: 5, ContentType: "a/b", Expires: 1,
		Cond: kv.Conditions{
			Match: kv.Tags{Given: true, UIDs: []uid.UID{u, {9}}}, NoMatch: kv.Tags{Given: true, Any: true},
			HasUnmodified: true, UnmodifiedSince: -1,
		},
		Ticket: Ticket{Incarnation: layout.ID{4}, Clock: 99}, ID: 1 << 60,
	}
)

// message is one kind of message: an example and how it is read and written again.
type message struct {
	name    string
	example []byte
	again   func([]byte) (any, []byte, error)
}

func messages() []message {
	return append(joiningMessages(), []message{
		{"lookup", (&Lookup{"key", 100}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseLookup(b)
			return m, m.Append(nil), err
		}},
		{"found", append((&Found{entry, true}).Append(nil), "value"...), func(b []byte) (any, []byte, error) {
			m, v, err := ParseFound(b)
			return m, append(m.Append(nil), v...), err
		}},
		{"write", write.Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseWrite(b)
			return m, m.Append(nil), err
		}},
		{"ordered", (&Ordered{entry, true}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseOrdered(b)
			return m, m.Append(nil), err
		}},
		{"replicate", (&Replicate{7, 8, entry, layout.ID{1}, 3}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseReplicate(b)
			return m, m.Append(nil), err
		}},
		{"beat", (&Beat{[]Mark{{1, kv.Version{View: 2, N: 3}}, {255, kv.Version{}}}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseBeat(b)
			return m, m.Append(nil), err
		}},
		{"pulse", (&Pulse{-4, 7}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParsePulse(b)
			return m, m.Append(nil), err
		}},
		{"list", (&List{"p", "a", 10, 1000}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseList(b)
			return m, m.Append(nil), err
		}},
		{"page", (&Page{[]kv.Entry{entry, {Key: "x"}}, true}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParsePage(b)
			return m, m.Append(nil), err
		}},
		{"place", append((&Place{u, 200}).Append(nil), "bytes"...), func(b []byte) (any, []byte, error) {
			m, v, err := ParsePlace(b)
			return m, append(m.Append(nil), v...), err
		}},
		{"refs", (&Refs{[]Ref{{u, AnySlot}, {uid.UID{3}, 255}}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseRefs(b)
			return m, m.Append(nil), err
		}},
		{"answers", (&Answers{[]int{AnySlot, 0, 255}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseAnswers(b)
			return m, m.Append(nil), err
		}},
		{"uids", (&UIDs{[]uid.UID{u, {}}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseUIDs(b)
			return m, m.Append(nil), err
		}},
	}...)
}

func TestMessages(t *testing.T) {
	for _, m := range messages() {
		_, b, err := m.again(m.example)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if !bytes.Equal(b, m.example) {
			t.Errorf("%s: %x became %x", m.name, m.example, b)
		}
		if slices.Contains([]string{"lookup", "place", "found", "gather", "entries", "some entries"}, m.name) {
			continue // these end with whatever bytes are left
		}
		for n := range len(m.example) {
			if _, _, err := m.again(m.example[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes were enough", m.name, n, len(m.example))
			}
		}
		if _, _, err := m.again(append(m.example[:len(m.example):len(m.example)], 0)); err == nil {
			t.Errorf("%s: a byte too many went unseen", m.name)
		}
	}
	w, _ := ParseWrite(write.Append(nil))
	if d := cmp.Diff(write, w); d != "" {
		t.Error(d)
	}
}

// Whatever bytes come, a message that is read is written back to one that reads the same.
func FuzzMessages(f *testing.F) {
	all := messages()
	for i, m := range all {
		f.Add(uint8(i), m.example)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		m := all[int(which)%len(all)]
		first, out, err := m.again(b)
		if err != nil {
			return
		}
		second, _, err := m.again(out)
		if err != nil {
			t.Fatalf("%s: what was read does not read again: %v", m.name, err)
		}
		if d := cmp.Diff(first, second); d != "" {
			t.Fatalf("%s:\n%s", m.name, d)
		}
	})
}
