package layout

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxMembers bounds what a decoder accepts: 256 nodes and as many replacements, and
// room for incarnations that crashed.
const maxMembers = 4096

const encodingVersion = 2

// ErrEncoding is returned by Decode for bytes that are not a layout.
var ErrEncoding = errors.New("not an encoded layout")

// Encode writes the layout in its one canonical form.
func (l *Layout) Encode() []byte {
	b := []byte{encodingVersion}
	b = append(b, l.Cluster[:]...)
	b = binary.AppendUvarint(b, l.Epoch)
	b = binary.AppendUvarint(b, uint64(len(l.Members)))
	for i := range l.Members {
		m := &l.Members[i]
		b = appendText(b, m.Name.Base)
		b = append(b, m.Name.Range.Lo, m.Name.Range.Hi, byte(m.Phase))
		b = appendText(b, m.Address)
		b = appendText(b, m.Home)
		b = append(b, m.Incarnation[:]...)
		b = binary.AppendUvarint(b, m.JoinEpoch)
	}
	b = binary.AppendUvarint(b, uint64(len(l.Segments)))
	for i := range l.Segments {
		s := &l.Segments[i]
		b = append(b, s.Lo)
		b = binary.AppendUvarint(b, s.View)
		b = binary.AppendUvarint(b, s.Loss)
		b = binary.AppendUvarint(b, uint64(len(s.Order)))
		for _, m := range s.Order {
			b = binary.AppendUvarint(b, uint64(m))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(l.Dead)))
	for i := range l.Dead {
		b = append(b, l.Dead[i][:]...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Decode reads what Encode wrote and validates it.
func Decode(b []byte) (*Layout, error) {
	d := decoder{b: b}
	if v := d.byte(); v != encodingVersion && !d.failed {
		return nil, fmt.Errorf("%w: version %d", ErrEncoding, v)
	}
	l := &Layout{}
	d.id(&l.Cluster)
	l.Epoch = d.uvarint(1<<63 - 1)
	l.Members = make([]Member, d.count(maxMembers))
	for i := range l.Members {
		m := &l.Members[i]
		m.Name.Base = d.text()
		m.Name.Range = Range{d.byte(), d.byte()}
		m.Phase = Phase(d.byte())
		m.Address = d.text()
		m.Home = d.text()
		d.id(&m.Incarnation)
		m.JoinEpoch = d.uvarint(1<<63 - 1)
	}
	l.Segments = make([]Segment, d.count(Slots))
	for i := range l.Segments {
		s := &l.Segments[i]
		s.Lo = d.byte()
		s.View = d.uvarint(1<<63 - 1)
		s.Loss = d.uvarint(1<<63 - 1)
		s.Order = make([]uint16, d.count(maxMembers))
		for j := range s.Order {
			s.Order[j] = uint16(d.uvarint(maxMembers))
		}
	}
	if n := d.count(maxMembers); n > 0 {
		l.Dead = make([]ID, n)
		for i := range l.Dead {
			d.id(&l.Dead[i])
		}
	}
	if d.failed || len(d.b) != 0 {
		return nil, ErrEncoding
	}
	return l, l.Validate()
}

// decoder reads fields one after the other; after a failure all are zero.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || n > len(d.b) {
		d.failed = true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) id(id *ID) { copy(id[:], d.take(len(id))) }

func (d *decoder) uvarint(limit uint64) uint64 {
	if d.failed {
		return 0
	}
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > limit {
		d.failed = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads how many items follow; each takes a byte at least, which bounds what a
// few hostile bytes can make the decoder allocate.
func (d *decoder) count(limit int) int {
	n := int(d.uvarint(uint64(limit)))
	if n > len(d.b) {
		d.failed = true
		return 0
	}
	return n
}

func (d *decoder) text() string { return string(d.take(d.count(1 << 12))) }
