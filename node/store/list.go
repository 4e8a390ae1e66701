package store

import (
	"container/heap"
	"strings"

	"github.com/eiri/seppen/node/kv"
)

// A list reads a few entries of each slot at a time. What it holds is bounded by
// these, whatever the number of keys; a lock is held for one batch.
const (
	batchEntries = 16
	batchBytes   = 4 << 10 // of keys; one key more may be read
	batchWalk    = 256     // entries looked at, tombstones too
)

// List calls yield for each entry whose key has the prefix and is greater than after,
// of the slots for which in holds (nil: all), in the order of the keys' bytes, at most
// limit of them if limit > 0, until yield returns false. Tombstones are left out. Nothing
// is locked while yield runs; the entry is valid until it returns.
//
// A key that is there during the whole call comes exactly once. One that comes or goes
// meanwhile may or may not come.
func (s *Store) List(in *[slots]bool, prefix, after string, limit int, yield func(*kv.Entry) bool) {
	merge := s.cursors(in, prefix, after, limit)
	for n := 0; len(merge) > 0 && (limit <= 0 || n < limit); n++ {
		c := merge[0]
		if !yield(&c.batch[c.i]) {
			return
		}
		c.i++
		if c.i == len(c.batch) {
			c.fill(s, batchEntries)
		}
		if c.i == len(c.batch) {
			heap.Pop(&merge)
		} else {
			heap.Fix(&merge, 0)
		}
	}
}

// cursors returns one for each slot that has something to list, as a heap.
func (s *Store) cursors(in *[slots]bool, prefix, after string, limit int) cursorHeap {
	first := batchEntries
	if limit > 0 {
		first = min(first, 1+limit/slots) // the share of one slot, for keys spread evenly
	}
	var merge cursorHeap
	for slot := range slots {
		if in != nil && !in[slot] {
			continue
		}
		c := &cursor{slot: uint8(slot), prefix: prefix, from: after}
		if after < prefix {
			c.from, c.including = prefix, true
		}
		if c.fill(s, first); len(c.batch) > 0 {
			merge = append(merge, c)
		}
	}
	heap.Init(&merge)
	return merge
}

// Entries calls yield for each entry of a slot whose key is greater than after, in the
// order of the keys' bytes, until yield returns false. Tombstones come too. Otherwise it
// is as List.
func (s *Store) Entries(slot uint8, after string, yield func(*kv.Entry) bool) {
	c := cursor{slot: slot, from: after, tombstones: true}
	for c.fill(s, batchWalk); len(c.batch) > 0; c.fill(s, batchWalk) {
		for i := range c.batch {
			if !yield(&c.batch[i]) {
				return
			}
		}
	}
}

// cursor walks the keys of one slot. It remembers a key and no place, as places change.
type cursor struct {
	slot       uint8
	prefix     string
	from       string // where to go on
	including  bool   // from itself comes as well
	tombstones bool   // they come as well
	done       bool
	batch      []kv.Entry
	i          int // of batch
}

// fill reads the next entries; if it has none afterwards there are none.
func (c *cursor) fill(s *Store, n int) {
	clear(c.batch)
	c.batch, c.i = c.batch[:0], 0
	for !c.done && len(c.batch) == 0 {
		c.walk(s, n)
	}
}

func (c *cursor) walk(s *Store, n int) {
	es := &s.entries[c.slot]
	es.mu.RLock()
	defer es.mu.RUnlock()
	at, found := es.place(s.mem, c.from)
	if found && !c.including {
		at.i++
	}
	bytes := 0
	for range batchWalk {
		it, ok := es.index.at(s.mem, &at)
		if !ok {
			c.done = true
			return
		}
		cell := entryCell(s.mem.Cell(it.ref()))
		key := string(cell.key())
		if !strings.HasPrefix(key, c.prefix) {
			c.done = true
			return
		}
		c.from, c.including = key, false
		if c.tombstones || !cell.deleted() {
			c.batch = append(c.batch, cell.entry(key, ""))
			bytes += len(key)
		}
		if len(c.batch) == n || bytes >= batchBytes {
			return
		}
		at.i++
	}
}

// cursorHeap has the cursor with the least key first. A key is in one slot only.
type cursorHeap []*cursor

func (h cursorHeap) Len() int           { return len(h) }
func (h cursorHeap) Less(i, j int) bool { return h[i].batch[h[i].i].Key < h[j].batch[h[j].i].Key }
func (h cursorHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursorHeap) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *cursorHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
