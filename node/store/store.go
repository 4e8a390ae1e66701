// Package store is the memory of one node: values under their uids, entries under
// their keys, and an index that tells which values entries refer to. It knows no
// network and starts no goroutines.
//
// # Memory
//
// Everything lies in cells of an arena outside the Go heap (see arena): values,
// entries, and the leaves of the indexes. What the garbage collector sees is a slice
// of leaves for each index, without pointers, a few hundred bytes for thousands of
// keys. A store with few keys uses a few KiB: small indexes have small leaves.
//
// # Limits
//
// Options.Limit bounds the pages in use, which is the memory the process really has,
// not the sum of what callers asked for. Placing a value asks first and fails with
// kv.ErrNoMemory; nothing stored is touched. An entry that was ordered is stored
// always, also above the limit: Room is asked before ordering. When pages run out
// while cells are free in sparse pages, the store moves entries, values and leaves
// together until those pages are whole again (see Compact). What it cannot win back
// so is less than one page for each of some 70 cell sizes, and the pages of values
// that readers hold at that moment.
//
// Besides the limit the process needs 2 MiB for free pages that are kept warm, and
// what passes through: Options.Transit.
//
// # Locks
//
// Each slot of entries, slot of values and shard of references has a lock of its
// own. Order: a slot of entries, then a shard of references; a slot of values is
// locked alone. The arena's locks come last. No lock is held while a caller's
// function runs. What readers hold is counted in the value's cell, which is reused
// only when the last of them let go.
package store

import (
	"math"
	"sync"
	"time"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store/arena"
)

const slots = 256

// Options says how much memory a store may use.
type Options struct {
	// Limit bounds the memory of values, entries and indexes, in bytes; 0: no limit.
	// Memory comes in pages of 64 KiB.
	Limit int64
	// Transit bounds the memory of values that only pass through, in bytes, and comes
	// on top of Limit; 0: no limit.
	Transit int64
	// Now is a monotonic clock in seconds. Default: seconds since New.
	Now func() uint32
}

// Store is safe for concurrent use.
type Store struct {
	mem     *arena.Arena
	transit *arena.Arena
	now     func() uint32
	limited bool

	entries [slots]entrySlot
	values  [slots]valueSlot
	refs    [slots]refShard

	compaction compaction
	moves      moves
}

// entrySlot is the entries of the keys of one slot, sorted by key.
type entrySlot struct {
	mu         sync.RWMutex
	index      index
	tombstones int
	keyBytes   int64 // of entries that are no tombstones
	logical    int64 // the sum of their sizes
}

// valueSlot is the values whose uids have one first byte, sorted by uid.
type valueSlot struct {
	mu         sync.RWMutex
	index      index
	generation uint32 // of the last touch in this slot, so that no two are the same
	bytes      int64
}

// refShard is the entries, of all slots, that refer to uids with one first byte,
// sorted by uid, then slot. Tombstones refer to nothing.
type refShard struct {
	mu    sync.RWMutex
	index index
}

// New returns an empty store. It takes memory as it fills.
func New(o Options) *Store {
	now := o.Now
	if now == nil {
		start := time.Now()
		now = func() uint32 { return uint32(time.Since(start) / time.Second) }
	}
	return &Store{
		mem:     arena.New(o.Limit),
		transit: arena.New(o.Transit),
		now:     now,
		limited: o.Limit > 0,
	}
}

// Close gives back all memory. No other call may be under way or follow, and no
// Value or Staged may be open.
func (s *Store) Close() {
	s.mem.Close()
	s.transit.Close()
}

// Headroom is how many more bytes fit below the limit, in any cells: what lies free
// in sparse pages counts only as far as moving cells together would make whole pages
// of it. It is 0 when the limit was passed, and the largest int64 without a limit.
func (s *Store) Headroom() int64 {
	if !s.limited {
		return math.MaxInt64
	}
	return max(0, s.mem.Left()+s.mem.Reclaimable()*arena.PageSize)
}

// Room tells whether an entry may be ordered whose key and content type are n bytes
// together. Ask before ordering; Apply never refuses. A delete needs not ask.
func (s *Store) Room(n int64) bool {
	n += entryBytes + indexBytes
	if n <= arena.MaxCell && s.mem.HasCell(int(n)) {
		return true
	}
	return n <= s.Headroom()
}

// indexBytes is what two indexes need for an entry, at most on average.
const indexBytes = 2 * 2 * itemBytes

func uidPrefix(u *uid.UID) uint32 { return prefixOf(u[1:4]) }
