package wire

import (
	"encoding/binary"

	"github.com/eiri/seppen/api/uid"
)

// Place names a value that a write brings and the slot of the entry that is going to
// refer to it, its witness.
type Place struct {
	UID     uid.UID
	Witness uint8
}

// Append writes the message; the value's bytes follow it in the frame or as a body.
func (m *Place) Append(b []byte) []byte { return append(append(b, m.UID[:]...), m.Witness) }

// ParsePlace reads a Place and returns the bytes that follow, which alias b.
func ParsePlace(b []byte) (m Place, value []byte, err error) {
	r := reader{b: b}
	m.UID, m.Witness = r.uid(), r.byte()
	value = r.take(len(r.b))
	return m, value, r.end()
}

// ParseUID reads a uid that is the whole payload.
func ParseUID(b []byte) (uid.UID, error) {
	r := reader{b: b}
	u := r.uid()
	return u, r.end()
}

// AnySlot asks a Ref of all slots whose primary is asked.
const AnySlot = -1

// Ref asks whether an entry of a slot refers to a value.
type Ref struct {
	UID  uid.UID
	Slot int // or AnySlot
}

// Refs asks a primary about many values.
type Refs struct{ Refs []Ref }

// Append writes the message.
func (m *Refs) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.Refs)))
	for i := range m.Refs {
		b = append(b, m.Refs[i].UID[:]...)
		b = binary.AppendVarint(b, int64(m.Refs[i].Slot))
	}
	return b
}

// ParseRefs reads a Refs.
func ParseRefs(b []byte) (m Refs, err error) {
	r := reader{b: b}
	if n := r.count(uid.Size + 1); n > 0 {
		m.Refs = make([]Ref, n)
		for i := range m.Refs {
			m.Refs[i].UID = r.uid()
			m.Refs[i].Slot = r.slot()
		}
	}
	return m, r.end()
}

func (r *reader) slot() int {
	s := r.varint()
	if s < AnySlot || s > 255 {
		r.failed = true
		return AnySlot
	}
	return int(s)
}

// Answers says for each Ref the slot of an entry that refers to the value, or AnySlot
// if there is none.
type Answers struct{ Slots []int }

// Append writes the message.
func (m *Answers) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.Slots)))
	for _, s := range m.Slots {
		b = binary.AppendVarint(b, int64(s))
	}
	return b
}

// ParseAnswers reads an Answers.
func ParseAnswers(b []byte) (m Answers, err error) {
	r := reader{b: b}
	if n := r.count(1); n > 0 {
		m.Slots = make([]int, n)
		for i := range m.Slots {
			m.Slots[i] = r.slot()
		}
	}
	return m, r.end()
}

// UIDs is a list of values' names.
type UIDs struct{ UIDs []uid.UID }

// Append writes the message.
func (m *UIDs) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.UIDs)))
	for i := range m.UIDs {
		b = append(b, m.UIDs[i][:]...)
	}
	return b
}

// ParseUIDs reads a UIDs.
func ParseUIDs(b []byte) (m UIDs, err error) {
	r := reader{b: b}
	m.UIDs = r.uids()
	return m, r.end()
}
