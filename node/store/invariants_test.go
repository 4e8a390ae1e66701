package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store/arena"
)

// audit walks everything a store has and compares it with what the store and the
// arena have counted.
type audit struct {
	s     *Store
	cells map[arena.Ref]string // who has a cell or block
	bytes int64
	refs  map[reference]int // that entries make, less those that the index has
}

type reference struct {
	uid   uid.UID
	slot  uint8
	entry arena.Ref
}

// checkInvariants fails unless every cell has just one owner and the arena knows of
// no other, all indexes are sorted, references are those that entries make, and
// counts are right. held are values that are no longer, or not yet, in an index.
func checkInvariants(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Store, held ...arena.Ref,
) {
	t.Helper()
	a := &audit{s: s, cells: map[arena.Ref]string{}, refs: map[reference]int{}}
	if err := a.run(held); err != nil {
		t.Fatalf("%v", err)
	}
}

func (a *audit) run(held []arena.Ref) error {
	want := Stats{}
	for slot := range slots {
		if err := a.entries(uint8(slot), &want); err != nil {
			return fmt.Errorf("entries of slot %d: %w", slot, err)
		}
		if err := a.values(uint8(slot), &want); err != nil {
			return fmt.Errorf("values of slot %d: %w", slot, err)
		}
	}
	for shard := range slots {
		if err := a.shard(uint8(shard)); err != nil {
			return fmt.Errorf("references to slot %d: %w", shard, err)
		}
	}
	for ref, n := range a.refs {
		if n != 0 {
			return fmt.Errorf("the reference %x of slot %d is missing", ref.uid[:4], ref.slot)
		}
	}
	for _, ref := range held {
		if err := a.value(ref, "held"); err != nil {
			return err
		}
	}
	return a.books(want)
}

func (a *audit) books(want Stats) error {
	mem, got := a.s.mem.Stats(), a.s.Stats()
	if mem.Bytes != a.bytes || mem.Cells+mem.Blocks != int64(len(a.cells)) {
		return fmt.Errorf("the arena handed out %+v; owned are %d with %d bytes", mem, len(a.cells), a.bytes)
	}
	want.CellBytes, want.Used, want.Limit = a.bytes, mem.Pages*arena.PageSize, a.s.mem.Limit()
	want.Transit, want.TransitLimit = a.s.transit.Used(), a.s.transit.Limit()
	want.Overhead = want.Used - want.KeyBytes - want.ValueBytes
	if got != want {
		return fmt.Errorf("counted %+v, walked %+v", got, want)
	}
	if err := a.s.transit.Check(); err != nil {
		return err
	}
	return a.s.mem.Check()
}

func (a *audit) own(ref arena.Ref, what string) error {
	if other, ok := a.cells[ref]; ok {
		return fmt.Errorf("cell %d is %s and %s", ref, other, what)
	}
	a.cells[ref] = what
	a.bytes += int64(len(a.s.mem.Cell(ref)))
	return nil
}

// index walks one index: leaves in order, none empty, items sorted by less.
func (a *audit) index(ix *index, compare func(x, y arena.Ref) int, visit func(item) error) error {
	n := 0
	var last item
	for i, l := range ix.leaves {
		if err := a.own(l.ref, "a leaf"); err != nil {
			return err
		}
		cell := a.s.mem.Cell(l.ref)
		if l.n < 1 || l.n > leafItems || l.n*itemBytes > len(cell) {
			return fmt.Errorf("leaf %d has %d items in %d bytes", i, l.n, len(cell))
		}
		for j := range l.n {
			it := loadItem(cell, j)
			if n > 0 && (it.prefix() < last.prefix() || compare(last.ref(), it.ref()) >= 0) {
				return fmt.Errorf("item %d of leaf %d is not behind the one before", j, i)
			}
			if err := visit(it); err != nil {
				return err
			}
			last = it
			n++
		}
	}
	if n != ix.count {
		return fmt.Errorf("%d items, counted %d", n, ix.count)
	}
	return nil
}

func (a *audit) entries(slot uint8, want *Stats) error {
	cell := func(ref arena.Ref) entryCell { return a.s.mem.Cell(ref) }
	byKey := func(x, y arena.Ref) int { return bytes.Compare(cell(x).key(), cell(y).key()) }
	return a.index(&a.s.entries[slot].index, byKey, func(it item) error {
		e := cell(it.ref()).entry("", "")
		if cell(it.ref()).slot() != slot || prefixOf(e.Key) != it.prefix() {
			return fmt.Errorf("%q is of slot %d", e.Key, cell(it.ref()).slot())
		}
		if e.Deleted {
			want.Tombstones++
		} else {
			a.refs[reference{e.UID, slot, it.ref()}]++
			want.Keys++
			want.SlotKeys[slot]++
			want.SlotKeyBytes[slot] += int64(len(e.Key))
			want.KeyBytes += int64(len(e.Key))
			want.LogicalBytes += e.Size
		}
		return a.own(it.ref(), fmt.Sprintf("entry %q", e.Key))
	})
}

func (a *audit) values(slot uint8, want *Stats) error {
	cell := func(ref arena.Ref) head { return a.s.mem.Cell(ref) }
	byUID := func(x, y arena.Ref) int { return compareUID(cell(x).uid(), cell(y).uid()) }
	return a.index(&a.s.values[slot].index, byUID, func(it item) error {
		h := cell(it.ref())
		if h.uid().Slot() != slot || uidPrefix(h.uid()) != it.prefix() {
			return fmt.Errorf("%x is of another place", h.uid()[:4])
		}
		want.Values++
		want.SlotValues[slot]++
		want.SlotValueBytes[slot] += h.size()
		want.ValueBytes += h.size()
		return a.value(it.ref(), fmt.Sprintf("value %x", h.uid()[:4]))
	})
}

func (a *audit) value(ref arena.Ref, what string) error {
	h := head(a.s.mem.Cell(ref))
	sh := shapeOf(h.size())
	owned := []arena.Ref{ref}
	for i := range sh.tables() {
		owned = append(owned, blockRef(h[headBytes+i*tableItem:]))
	}
	for i := range sh.pieces() {
		owned = append(owned, h.piece(a.s.mem, &sh, i))
	}
	for _, r := range owned {
		if err := a.own(r, what); err != nil {
			return err
		}
	}
	return nil
}

func (a *audit) shard(shard uint8) error {
	cell := func(ref arena.Ref) entryCell { return a.s.mem.Cell(ref) }
	order := func(x, y arena.Ref) int {
		return cmp.Or(compareUID(cell(x).uid(), cell(y).uid()), cmp.Compare(cell(x).slot(), cell(y).slot()), cmp.Compare(x, y))
	}
	return a.index(&a.s.refs[shard].index, order, func(it item) error {
		ref := reference{*cell(it.ref()).uid(), cell(it.ref()).slot(), it.ref()}
		if ref.uid.Slot() != shard || a.refs[ref] != 1 {
			return fmt.Errorf("%x of slot %d is no reference of an entry", ref.uid[:4], ref.slot)
		}
		a.refs[ref]--
		return nil
	})
}

// TestInvariantsBite breaks a store in the ways that the audit is there to find.
func TestInvariantsBite(t *testing.T) {
	for name, breakIt := range map[string]func(*Store){
		"leaked cell":       func(s *Store) { mustAlloc(s.mem, 100) },
		"missing reference": func(s *Store) { removeSome(s, &s.refs[3].index) },
		"missing entry":     func(s *Store) { removeSome(s, &s.entries[3].index) },
		"missing value":     func(s *Store) { removeSome(s, &s.values[3].index) },
		"unsorted":          func(s *Store) { swapSome(s, &s.values[3].index) },
		"miscounted":        func(s *Store) { s.entries[9].keyBytes++ },
		"freed twice":       func(s *Store) { s.mem.Free(loadItem(s.mem.Cell(s.values[3].index.leaves[0].ref), 0).ref()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			for i := range 10 {
				_, e := pair(i)
				e.UID[0] = 3
				if _, err := s.InstallBytes(e.UID, noise(i, 100), 3); err != nil {
					t.Fatal(err)
				}
				s.Apply(3, &e)
			}
			checkInvariants(t, s)
			breakIt(s)
			a := &audit{s: s, cells: map[arena.Ref]string{}, refs: map[reference]int{}}
			if err := a.run(nil); err == nil {
				t.Error("the audit saw nothing")
			}
		})
	}
}

func removeSome(s *Store, ix *index) { ix.remove(s.mem, place{0, 1}) }

func swapSome(s *Store, ix *index) {
	cell := s.mem.Cell(ix.leaves[0].ref)
	x := slices.Clone(cell[:itemBytes])
	copy(cell, cell[itemBytes:2*itemBytes])
	copy(cell[itemBytes:], x)
}
