package wire

import (
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// joiningMessages are those between members whose layout changes.
func joiningMessages() []message {
	return []message{
		{"gather", (&Gather{[]uint8{0, 255}, []uint64{7, 1 << 40}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseGather(b)
			return m, m.Append(nil), err
		}},
		{"gathered", (&Gathered{2, []Unsettled{{Slot: 7, Entry: entry, Origin: layout.ID{1}, ID: 3}}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseGathered(b)
			return m, m.Append(nil), err
		}},
		{"entries", (&Entries{255, "k\x00"}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseEntries(b)
			return m, m.Append(nil), err
		}},
		{"entry page", (&EntryPage{kv.Version{View: 3, N: 1 << 40}, []kv.Entry{entry, {Key: "x"}}, true}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseEntryPage(b)
			return m, m.Append(nil), err
		}},
		{"uids after", (&UIDsAfter{7, u}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseUIDsAfter(b)
			return m, m.Append(nil), err
		}},
		{"some entries", (&SomeEntries{1 << 40, Entries{255, "k\x00"}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseSomeEntries(b)
			return m, m.Append(nil), err
		}},
		{"some uids", (&SomeUIDs{1 << 40, UIDsAfter{7, u}}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseSomeUIDs(b)
			return m, m.Append(nil), err
		}},
		{"copy", (&Copy{UIDs: []uid.UID{u, {}}, Forms: FormS2}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseCopy(b)
			return m, m.Append(nil), err
		}},
		{"copy of a part", (&Copy{UIDs: []uid.UID{u}, Offset: 1 << 40, Length: 5, Forms: 0x80}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseCopy(b)
			return m, m.Append(nil), err
		}},
		{"uid page", (&UIDPage{1 << 50, []ValueInfo{{u, 1 << 40, 255}, {}}, true}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseUIDPage(b)
			return m, m.Append(nil), err
		}},
	}
}

// TestCopyOfParts: a part is of one value, and has bytes.
func TestCopyOfParts(t *testing.T) {
	for name, m := range map[string]Copy{
		"of two values":  {UIDs: []uid.UID{u, {}}, Length: 5},
		"of no value":    {Length: 5},
		"without length": {UIDs: []uid.UID{u}, Offset: 5},
		"beyond all":     {UIDs: []uid.UID{u}, Offset: 1<<62 + 1, Length: 5},
	} {
		if _, err := ParseCopy(m.Append(nil)); err == nil {
			t.Errorf("a part %s was read", name)
		}
	}
}
