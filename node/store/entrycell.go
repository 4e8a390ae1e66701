package store

import (
	"encoding/binary"
	"fmt"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// entryCell is an entry in memory. It is never changed, but replaced.
//
//	0  flags        1 byte
//	1  slot         1 byte
//	2  key length   2 bytes
//	4  content type length
//	5  uid          32 bytes
//	37 view, n, modified, size; 8 bytes each
//	69 key, content type, and expires if it has one
type entryCell []byte

const (
	entrySlotAt  = 1
	entryKeyLen  = 2
	entryTypeLen = 4
	entryUID     = 5
	entryView    = entryUID + uid.Size
	entryN       = entryView + 8
	entryMod     = entryN + 8
	entrySize    = entryMod + 8
	entryBytes   = entrySize + 8

	flagDeleted = 1 << 0
	flagExpires = 1 << 1
)

func (c entryCell) deleted() bool { return c[0]&flagDeleted != 0 }
func (c entryCell) slot() uint8   { return c[entrySlotAt] }
func (c entryCell) uid() *uid.UID { return (*uid.UID)(c[entryUID:]) }
func (c entryCell) key() []byte   { return c[entryBytes : entryBytes+c.keyLen()] }
func (c entryCell) keyLen() int   { return int(binary.LittleEndian.Uint16(c[entryKeyLen:])) }
func (c entryCell) size() int64   { return int64(binary.LittleEndian.Uint64(c[entrySize:])) }
func (c entryCell) version() kv.Version {
	return kv.Version{View: binary.LittleEndian.Uint64(c[entryView:]), N: binary.LittleEndian.Uint64(c[entryN:])}
}

// entryCellBytes is the length of an entry's cell.
func entryCellBytes(e *kv.Entry) int {
	n := entryBytes + len(e.Key) + len(e.ContentType)
	if e.Expires != 0 {
		n += 8
	}
	return n
}

// put writes an entry into a cell.
func (c entryCell) put(slot uint8, e *kv.Entry) {
	c[0] = 0
	if e.Deleted {
		c[0] |= flagDeleted
	}
	c[entrySlotAt] = slot
	binary.LittleEndian.PutUint16(c[entryKeyLen:], uint16(len(e.Key)))
	c[entryTypeLen] = uint8(len(e.ContentType))
	*c.uid() = e.UID
	binary.LittleEndian.PutUint64(c[entryView:], e.Version.View)
	binary.LittleEndian.PutUint64(c[entryN:], e.Version.N)
	binary.LittleEndian.PutUint64(c[entryMod:], uint64(e.Modified))
	binary.LittleEndian.PutUint64(c[entrySize:], uint64(e.Size))
	rest := c[entryBytes:]
	rest = rest[copy(rest, e.Key):]
	rest = rest[copy(rest, e.ContentType):]
	if e.Expires != 0 {
		c[0] |= flagExpires
		binary.LittleEndian.PutUint64(rest, uint64(e.Expires))
	}
}

// entry copies the entry out of its cell. The caller may know the key as a string and
// an equal content type; these are then not copied.
func (c entryCell) entry(key, contentType string) kv.Entry {
	e := kv.Entry{
		Key:         key,
		UID:         *c.uid(),
		Size:        c.size(),
		ContentType: contentType,
		Version:     c.version(),
		Modified:    int64(binary.LittleEndian.Uint64(c[entryMod:])),
		Deleted:     c.deleted(),
	}
	if key == "" {
		e.Key = string(c.key())
	}
	rest := c[entryBytes+c.keyLen():]
	if t := rest[:c[entryTypeLen]]; string(t) != contentType {
		e.ContentType = string(t)
	}
	if c[0]&flagExpires != 0 {
		e.Expires = int64(binary.LittleEndian.Uint64(rest[c[entryTypeLen]:]))
	}
	return e
}

// check stops what would not come back as it was stored. Entries come from layers
// that check what they read, so this is their bug.
func check(e *kv.Entry) {
	if len(e.Key) == 0 || len(e.Key) > kv.MaxKey || len(e.ContentType) > kv.MaxContentType {
		panic(fmt.Sprintf("store: an entry with a key of %d and a content type of %d bytes", len(e.Key), len(e.ContentType)))
	}
}
