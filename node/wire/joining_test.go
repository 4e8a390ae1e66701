package wire

import (
	"github.com/eiri/seppen/api/layout"
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
		{"uid page", (&UIDPage{1 << 50, []ValueInfo{{u, 1 << 40, 255}, {}}, true}).Append(nil), func(b []byte) (any, []byte, error) {
			m, err := ParseUIDPage(b)
			return m, m.Append(nil), err
		}},
	}
}
