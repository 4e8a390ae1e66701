package wire

import (
	"encoding/binary"
	"math"

	"github.com/eiri/seppen/api/uid"
)

// The requests of a member that copies in small pieces: they say how much the reply may
// have, and in what form. Nodes of before know OpEntries, OpUIDs and OpFetch instead.

// SomeEntries is an Entries whose reply has about so many bytes, but one entry at least if
// there is one.
type SomeEntries struct {
	Most int64
	Entries
}

// Append writes the message.
func (m *SomeEntries) Append(b []byte) []byte {
	return m.Entries.Append(binary.AppendUvarint(b, uint64(m.Most)))
}

// ParseSomeEntries reads a SomeEntries.
func ParseSomeEntries(b []byte) (m SomeEntries, err error) {
	r := reader{b: b}
	m.Most = r.size()
	if r.failed {
		return m, r.end()
	}
	m.Entries, err = ParseEntries(r.b)
	return m, err
}

// SomeUIDs is a UIDsAfter whose reply has about so many bytes, but one value at least if
// there is one.
type SomeUIDs struct {
	Most int64
	UIDsAfter
}

// Append writes the message.
func (m *SomeUIDs) Append(b []byte) []byte {
	return m.UIDsAfter.Append(binary.AppendUvarint(b, uint64(m.Most)))
}

// ParseSomeUIDs reads a SomeUIDs.
func ParseSomeUIDs(b []byte) (m SomeUIDs, err error) {
	r := reader{b: b}
	m.Most = r.size()
	if r.failed {
		return m, r.end()
	}
	m.UIDsAfter, err = ParseUIDsAfter(r.b)
	return m, err
}

// ValueInfoSize is about what a value takes in a UIDPage, in bytes.
const ValueInfoSize = uid.Size + 4

// Copy asks an owner for the bytes of values, or for some bytes of one.
type Copy struct {
	UIDs []uid.UID
	// Length is how many bytes of a value are wanted, from Offset on; 0: all of each.
	Offset, Length int64
	Forms          Form // what the asking side understands besides FormPlain; other bits mean nothing yet
}

// Append writes the message.
func (m *Copy) Append(b []byte) []byte {
	b = append(b, byte(m.Forms))
	b = binary.AppendUvarint(b, uint64(m.Offset))
	b = binary.AppendUvarint(b, uint64(m.Length))
	q := UIDs{UIDs: m.UIDs}
	return q.Append(b)
}

// ParseCopy reads a Copy.
func ParseCopy(b []byte) (m Copy, err error) {
	r := reader{b: b}
	m.Forms, m.Offset, m.Length = Form(r.byte()), r.size(), r.size()
	m.UIDs = r.uids()
	if m.Offset > math.MaxInt64-m.Length || (m.Offset > 0 || m.Length > 0) && (len(m.UIDs) != 1 || m.Length == 0) {
		r.failed = true
	}
	return m, r.end()
}

// Form is how the body of a Copy's reply is written. Its first byte tells; what follows is
// written as for an OpFetch, but that of a value of which a part was asked for only that comes,
// behind the length of the whole.
type Form uint8

// The forms.
const (
	FormPlain Form = 0
	FormS2    Form = 1 << 0 // all of it is one block of S2
)

// MaxCompressed is how many bytes a body may have to be compressed, and to be what a
// compressed one becomes.
const MaxCompressed = 1 << 20
