package wire

import (
	"encoding/binary"
	"errors"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// ErrMalformed is returned for bytes that are not the message expected.
var ErrMalformed = errors.New("malformed message")

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader reads fields one after the other; after a failure all are zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || n < 0 || n > len(r.b) {
		r.failed = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) bool() bool {
	v := r.byte()
	if v > 1 {
		r.failed = true
	}
	return v == 1
}

func (r *reader) uvarint() uint64 {
	if r.failed {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	if r.failed {
		return 0
	}
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many items of at least size bytes follow, so that a few bytes can't
// ask for much memory.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) text(limit int) string {
	n := r.count(1)
	if n > limit {
		r.failed = true
	}
	return string(r.take(n))
}

func (r *reader) uid() (u uid.UID) {
	copy(u[:], r.take(uid.Size))
	return u
}

// end is the verdict on the whole message: nothing may be left over.
func (r *reader) end() error {
	if r.failed || len(r.b) != 0 {
		return ErrMalformed
	}
	return nil
}

func appendVersion(b []byte, v kv.Version) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, v.View), v.N)
}

func (r *reader) version() kv.Version { return kv.Version{View: r.uvarint(), N: r.uvarint()} }

func appendEntry(b []byte, e *kv.Entry) []byte {
	b = appendText(b, e.Key)
	b = append(b, e.UID[:]...)
	b = binary.AppendUvarint(b, uint64(e.Size))
	b = appendText(b, e.ContentType)
	b = appendVersion(b, e.Version)
	b = binary.AppendVarint(b, e.Modified)
	b = binary.AppendVarint(b, e.Expires)
	return appendBool(b, e.Deleted)
}

func (r *reader) size() int64 {
	n := r.uvarint()
	if n > 1<<62 {
		r.failed = true
	}
	return int64(n)
}

func (r *reader) entry() (e kv.Entry) {
	e.Key = r.text(kv.MaxKey)
	e.UID = r.uid()
	e.Size = r.size()
	e.ContentType = r.text(kv.MaxContentType)
	e.Version = r.version()
	e.Modified = r.varint()
	e.Expires = r.varint()
	e.Deleted = r.bool()
	return e
}

func appendTags(b []byte, t *kv.Tags) []byte {
	b = appendBool(appendBool(b, t.Given), t.Any)
	b = binary.AppendUvarint(b, uint64(len(t.UIDs)))
	for _, u := range t.UIDs {
		b = append(b, u[:]...)
	}
	return b
}

func (r *reader) tags() (t kv.Tags) {
	t.Given, t.Any = r.bool(), r.bool()
	t.UIDs = r.uids()
	return t
}

func (r *reader) uids() []uid.UID {
	n := r.count(uid.Size)
	if n == 0 {
		return nil
	}
	out := make([]uid.UID, n)
	for i := range out {
		out[i] = r.uid()
	}
	return out
}
