package wire

import (
	"encoding/binary"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// Unsettled is an operation of which an owner does not know that every owner has it.
type Unsettled struct {
	Slot   uint8
	Entry  kv.Entry
	Origin layout.ID // the node that asked for it, and
	ID     uint64    // its name for it
}

// Gather asks an owner for its unsettled operations of slots that the sender is the new
// primary of.
type Gather struct {
	Slots []uint8
	Views []uint64 // the slots' views, which both sides must follow
}

// Append writes the message.
func (m *Gather) Append(b []byte) []byte {
	for i, slot := range m.Slots {
		b = binary.AppendUvarint(append(b, slot), m.Views[i])
	}
	return b
}

// ParseGather reads a Gather.
func ParseGather(b []byte) (m Gather, err error) {
	r := reader{b: b}
	for len(r.b) > 0 && len(m.Slots) < layout.Slots {
		m.Slots = append(m.Slots, r.byte())
		m.Views = append(m.Views, r.uvarint())
	}
	if len(m.Slots) == 0 {
		r.failed = true
	}
	return m, r.end()
}

// Gathered is the reply to a Gather: the operations of the first Slots of the slots that
// were asked about, at least of one; the others are to be asked about again.
type Gathered struct {
	Slots int
	Ops   []Unsettled
}

// Append writes the message.
func (m *Gathered) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(m.Slots))
	b = binary.AppendUvarint(b, uint64(len(m.Ops)))
	for i := range m.Ops {
		o := &m.Ops[i]
		b = append(b, o.Slot)
		b = append(b, o.Origin[:]...)
		b = binary.AppendUvarint(b, o.ID)
		b = appendEntry(b, &o.Entry)
	}
	return b
}

// ParseGathered reads a Gathered.
func ParseGathered(b []byte) (m Gathered, err error) {
	r := reader{b: b}
	m.Slots = int(min(r.uvarint(), layout.Slots))
	if n := r.count(uid.Size); n > 0 {
		m.Ops = make([]Unsettled, n)
		for i := range m.Ops {
			o := &m.Ops[i]
			o.Slot = r.byte()
			copy(o.Origin[:], r.take(len(o.Origin)))
			o.ID = r.uvarint()
			o.Entry = r.entry()
		}
	}
	if m.Slots < 1 {
		r.failed = true
	}
	return m, r.end()
}

// Entries asks a primary for a page of a slot's committed entries, in the order of their keys.
type Entries struct {
	Slot  uint8
	After string // empty: from the beginning
}

// Append writes the message.
func (m *Entries) Append(b []byte) []byte { return append(append(b, m.Slot), m.After...) }

// ParseEntries reads an Entries.
func ParseEntries(b []byte) (m Entries, err error) {
	r := reader{b: b}
	m.Slot = r.byte()
	m.After = string(r.take(len(r.b)))
	if len(m.After) > kv.MaxKey {
		r.failed = true
	}
	return m, r.end()
}

// EntryPage is the reply to an Entries: all committed entries with keys above After up to
// the last one's, or to the end of the slot without More.
type EntryPage struct {
	// Watermark is read before the entries: what is committed up to it and not here is no more.
	Watermark kv.Version
	Entries   []kv.Entry
	More      bool
}

// Append writes the message.
func (m *EntryPage) Append(b []byte) []byte {
	p := Page{Entries: m.Entries, More: m.More}
	return p.Append(appendVersion(b, m.Watermark))
}

// ParseEntryPage reads an EntryPage.
func ParseEntryPage(b []byte) (m EntryPage, err error) {
	r := reader{b: b}
	m.Watermark = r.version()
	if r.failed {
		return m, r.end()
	}
	p, err := ParsePage(r.b)
	m.Entries, m.More = p.Entries, p.More
	return m, err
}

// UIDsAfter asks an owner which values of a slot it has, in the order of their uids.
type UIDsAfter struct {
	Slot  uint8
	After uid.UID // zero: from the beginning
}

// Append writes the message.
func (m *UIDsAfter) Append(b []byte) []byte { return append(append(b, m.Slot), m.After[:]...) }

// ParseUIDsAfter reads a UIDsAfter.
func ParseUIDsAfter(b []byte) (m UIDsAfter, err error) {
	r := reader{b: b}
	m.Slot, m.After = r.byte(), r.uid()
	return m, r.end()
}

// ValueInfo is a value that an owner has.
type ValueInfo struct {
	UID     uid.UID
	Size    int64
	Witness uint8 // the slot of an entry that refers to it, or once did
}

// UIDPage is the reply to a UIDsAfter.
type UIDPage struct {
	Bytes  int64 // of all values of the slot
	Values []ValueInfo
	More   bool
}

// Append writes the message.
func (m *UIDPage) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(m.Bytes))
	b = appendBool(b, m.More)
	b = binary.AppendUvarint(b, uint64(len(m.Values)))
	for i := range m.Values {
		v := &m.Values[i]
		b = append(b, v.UID[:]...)
		b = binary.AppendUvarint(b, uint64(v.Size))
		b = append(b, v.Witness)
	}
	return b
}

// ParseUIDPage reads a UIDPage.
func ParseUIDPage(b []byte) (m UIDPage, err error) {
	r := reader{b: b}
	m.Bytes, m.More = r.size(), r.bool()
	if n := r.count(uid.Size + 2); n > 0 {
		m.Values = make([]ValueInfo, n)
		for i := range m.Values {
			m.Values[i] = ValueInfo{UID: r.uid(), Size: r.size(), Witness: r.byte()}
		}
	}
	return m, r.end()
}

// The values that an OpFetch asks for come as one body: for each, in the order asked for,
// its length as 8 bytes, big-endian, and its bytes; of one that is not there, FetchGone
// alone.
const (
	FetchHeader = 8
	FetchGone   = ^uint64(0)

	// MaxFetch is how many bytes the values have together that may be asked for at once,
	// unless it is one alone; MaxFetchValues is how many they may be.
	MaxFetch       = 4 << 20
	MaxFetchValues = 8 << 10
)
