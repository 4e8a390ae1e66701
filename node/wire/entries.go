package wire

import (
	"encoding/binary"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// Lookup asks a primary for a key's entry and, if Inline is above 0, for its value too
// if the primary has it and it is no larger than Inline bytes.
type Lookup struct {
	Key    string
	Inline int
}

// Append writes the message.
func (m *Lookup) Append(b []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(m.Inline)), m.Key...)
}

// ParseLookup reads a Lookup.
func ParseLookup(b []byte) (m Lookup, err error) {
	r := reader{b: b}
	m.Inline = int(min(r.uvarint(), MaxInline))
	m.Key = string(r.take(len(r.b)))
	if len(m.Key) > kv.MaxKey {
		r.failed = true
	}
	return m, r.end()
}

// Found is the reply to a Lookup; the value, if HasValue, is the rest of the payload.
type Found struct {
	Entry    kv.Entry
	HasValue bool
}

// Append writes the message up to the value.
func (m *Found) Append(b []byte) []byte {
	return appendBool(appendEntry(b, &m.Entry), m.HasValue)
}

// ParseFound reads a Found and returns the value's bytes, which alias b.
func ParseFound(b []byte) (m Found, value []byte, err error) {
	r := reader{b: b}
	m.Entry = r.entry()
	m.HasValue = r.bool()
	if m.HasValue {
		value = r.take(len(r.b))
	}
	return m, value, r.end()
}

// Ticket is a moment by a primary's clock. A primary takes a write only with a recent
// ticket of its own, asked for before the value was placed: values placed since then
// are still protected from being freed. And what is under way for longer than that, in the
// network or in a node that stood still, is not executed when nobody expects it any more.
// Deletions of nodes of before have none.
type Ticket struct {
	Incarnation layout.ID
	Clock       uint64 // milliseconds, peer.Clock
}

// Write asks a primary to order an operation on one key.
type Write struct {
	Key         string
	Delete      bool
	UID         uid.UID // Delete: zero, like all that describes a value
	Size        int64
	ContentType string
	Expires     int64
	Cond        kv.Conditions
	Ticket      Ticket
	Placed      uint64 // the epoch by whose owners the value was placed
	ID          uint64 // names the operation among all of the node that asks
}

// Append writes the message.
func (m *Write) Append(b []byte) []byte {
	b = appendText(b, m.Key)
	b = appendBool(b, m.Delete)
	b = append(b, m.UID[:]...)
	b = binary.AppendUvarint(b, uint64(m.Size))
	b = appendText(b, m.ContentType)
	b = binary.AppendVarint(b, m.Expires)
	b = appendTags(b, &m.Cond.Match)
	b = appendTags(b, &m.Cond.NoMatch)
	b = appendBool(b, m.Cond.HasUnmodified)
	b = binary.AppendVarint(b, m.Cond.UnmodifiedSince)
	b = append(b, m.Ticket.Incarnation[:]...)
	b = binary.AppendUvarint(b, m.Ticket.Clock)
	b = binary.AppendUvarint(b, m.Placed)
	return binary.AppendUvarint(b, m.ID)
}

// ParseWrite reads a Write.
func ParseWrite(b []byte) (m Write, err error) {
	r := reader{b: b}
	m.Key = r.text(kv.MaxKey)
	m.Delete = r.bool()
	m.UID = r.uid()
	m.Size = r.size()
	m.ContentType = r.text(kv.MaxContentType)
	m.Expires = r.varint()
	m.Cond.Match = r.tags()
	m.Cond.NoMatch = r.tags()
	m.Cond.HasUnmodified = r.bool()
	m.Cond.UnmodifiedSince = r.varint()
	copy(m.Ticket.Incarnation[:], r.take(len(m.Ticket.Incarnation)))
	m.Ticket.Clock = r.uvarint()
	m.Placed = r.uvarint()
	m.ID = r.uvarint()
	if m.Key == "" {
		r.failed = true
	}
	return m, r.end()
}

// Ordered is the reply to a Write that is at every owner.
type Ordered struct {
	Entry   kv.Entry
	Created bool // the key had no value before
}

// Append writes the message.
func (m *Ordered) Append(b []byte) []byte { return appendBool(appendEntry(b, &m.Entry), m.Created) }

// ParseOrdered reads an Ordered.
func ParseOrdered(b []byte) (m Ordered, err error) {
	r := reader{b: b}
	m.Entry, m.Created = r.entry(), r.bool()
	return m, r.end()
}

// Replicate hands a backup an entry that the primary has ordered. Its view is in the
// entry's version.
type Replicate struct {
	Slot      uint8
	Watermark uint64 // all entries of this view up to it are at every owner
	Entry     kv.Entry
	Origin    layout.ID // the node that asked for the write, and
	ID        uint64    // its name for it
}

// Append writes the message.
func (m *Replicate) Append(b []byte) []byte {
	b = append(b, m.Slot)
	b = binary.AppendUvarint(b, m.Watermark)
	b = append(b, m.Origin[:]...)
	b = binary.AppendUvarint(b, m.ID)
	return appendEntry(b, &m.Entry)
}

// ParseReplicate reads a Replicate.
func ParseReplicate(b []byte) (m Replicate, err error) {
	r := reader{b: b}
	m.Slot = r.byte()
	m.Watermark = r.uvarint()
	copy(m.Origin[:], r.take(len(m.Origin)))
	m.ID = r.uvarint()
	m.Entry = r.entry()
	if m.Entry.Key == "" {
		r.failed = true
	}
	return m, r.end()
}

// Mark is how far a slot's entries are at every owner.
type Mark struct {
	Slot    uint8
	Version kv.Version
}

// Beat tells a backup the watermarks that moved since the last beat.
type Beat struct{ Marks []Mark }

// Append writes the message.
func (m *Beat) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.Marks)))
	for _, k := range m.Marks {
		b = appendVersion(append(b, k.Slot), k.Version)
	}
	return b
}

// ParseBeat reads a Beat.
func ParseBeat(b []byte) (m Beat, err error) {
	r := reader{b: b}
	if n := r.count(3); n > 0 {
		m.Marks = make([]Mark, n)
		for i := range m.Marks {
			m.Marks[i] = Mark{Slot: r.byte(), Version: r.version()}
		}
	}
	return m, r.end()
}

// Pulse is the reply to a Beat: with it the backup grants a lease.
type Pulse struct {
	Credit int64  // bytes of entries that the backup has room for from this primary
	Epoch  uint64 // the backup's
}

// Append writes the message.
func (m *Pulse) Append(b []byte) []byte {
	return binary.AppendUvarint(binary.AppendVarint(b, m.Credit), m.Epoch)
}

// ParsePulse reads a Pulse.
func ParsePulse(b []byte) (m Pulse, err error) {
	r := reader{b: b}
	m.Credit = r.varint()
	m.Epoch = r.uvarint()
	return m, r.end()
}

// List asks a primary for a page of the entries of its slots, in key order.
type List struct {
	Prefix, After string
	Keys          int // at most so many, at least 1
	Bytes         int // stop after about so many bytes
}

// Append writes the message.
func (m *List) Append(b []byte) []byte {
	b = appendText(appendText(b, m.Prefix), m.After)
	b = binary.AppendUvarint(b, uint64(m.Keys))
	return binary.AppendUvarint(b, uint64(m.Bytes))
}

// ParseList reads a List.
func ParseList(b []byte) (m List, err error) {
	r := reader{b: b}
	m.Prefix, m.After = r.text(1<<16), r.text(1<<16)
	m.Keys, m.Bytes = int(min(r.uvarint(), 1<<20)), int(min(r.uvarint(), 1<<19))
	if m.Keys < 1 {
		r.failed = true
	}
	return m, r.end()
}

// Page is the reply to a List.
type Page struct {
	Entries []kv.Entry
	More    bool // there are entries after the last one
}

// Append writes the message.
func (m *Page) Append(b []byte) []byte {
	b = appendBool(b, m.More)
	b = binary.AppendUvarint(b, uint64(len(m.Entries)))
	for i := range m.Entries {
		b = appendEntry(b, &m.Entries[i])
	}
	return b
}

// ParsePage reads a Page.
func ParsePage(b []byte) (m Page, err error) {
	r := reader{b: b}
	m.More = r.bool()
	if n := r.count(uid.Size); n > 0 {
		m.Entries = make([]kv.Entry, n)
		for i := range m.Entries {
			m.Entries[i] = r.entry()
		}
	}
	return m, r.end()
}

// EntrySize is about what an entry takes in a Page, in bytes.
func EntrySize(e *kv.Entry) int { return len(e.Key) + len(e.ContentType) + 80 }

// Conditional tells whether the outcome of the write depends on the key's entry.
func (m *Write) Conditional() bool {
	return m.Delete || m.Cond.Match.Given || m.Cond.NoMatch.Given || m.Cond.HasUnmodified
}
