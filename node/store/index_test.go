package store

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/eiri/seppen/node/store/arena"
)

// indexOf is an index of cells that hold one number each.
type indexOf struct {
	a  *arena.Arena
	ix index
}

func (x *indexOf) probe(n uint32) probe {
	// The top bits alone, so that many cells have one prefix and have to be read.
	return probe{n >> 16, func(ref arena.Ref) int { return cmp.Compare(n, x.number(ref)) }}
}

func (x *indexOf) number(ref arena.Ref) uint32 { return binary.LittleEndian.Uint32(x.a.Cell(ref)) }

func (x *indexOf) insert(n uint32) bool {
	at, found := x.ix.find(x.a, x.probe(n))
	if found {
		return false
	}
	ref := mustAlloc(x.a, 4)
	binary.LittleEndian.PutUint32(x.a.Cell(ref), n)
	x.ix.insert(x.a, at, newItem(n>>16, ref))
	return true
}

func (x *indexOf) remove(n uint32) bool {
	at, found := x.ix.find(x.a, x.probe(n))
	if !found {
		return false
	}
	it, _ := x.ix.at(x.a, &at)
	x.ix.remove(x.a, at)
	x.a.Free(it.ref())
	return true
}

func (x *indexOf) all() (out []uint32) {
	at := place{}
	for it, ok := x.ix.at(x.a, &at); ok; it, ok = x.ix.at(x.a, &at) {
		out = append(out, x.number(it.ref()))
		at.i++
	}
	return out
}

// leafBytes is the memory of the leaves for each item.
func (x *indexOf) leafBytes() float64 {
	sum := 0
	for _, l := range x.ix.leaves {
		sum += len(x.a.Cell(l.ref))
	}
	return float64(sum) / float64(x.ix.count)
}

func TestIndex(t *testing.T) {
	const n = 20_000
	orders := map[string]func(i int) uint32{
		"ascending":  func(i int) uint32 { return uint32(i) * 50 },
		"descending": func(i int) uint32 { return uint32(n-i) * 50 },
		"random":     func(i int) uint32 { return rand.New(rand.NewPCG(uint64(i), 3)).Uint32() >> 8 },
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			x := &indexOf{a: arena.New(0)}
			defer x.a.Close()
			var want []uint32
			for i := range n {
				if x.insert(order(i)) {
					want = append(want, order(i))
				}
			}
			sorted := slices.Sorted(slices.Values(want))
			if !slices.Equal(x.all(), sorted) || x.ix.count != len(want) {
				t.Fatal("what went in does not come out in order")
			}
			if got := x.leafBytes(); got > 1.15*itemBytes {
				t.Errorf("%.2f bytes of leaves for an item", got)
			}
			// Take out all but each 20th, in another order.
			rand.New(rand.NewPCG(1, 1)).Shuffle(len(want), func(i, j int) { want[i], want[j] = want[j], want[i] })
			for _, v := range want[len(want)/20:] {
				if !x.remove(v) || x.remove(v) {
					t.Fatalf("%d does not go once", v)
				}
			}
			want = want[:len(want)/20]
			if !slices.Equal(x.all(), slices.Sorted(slices.Values(want))) {
				t.Fatal("what was left does not come out in order")
			}
			if got := x.leafBytes(); got > 3*itemBytes {
				t.Errorf("%.2f bytes of leaves for an item after most were removed", got)
			}
			for _, v := range want {
				x.remove(v)
			}
			if st := x.a.Stats(); st != (arena.Stats{}) || len(x.ix.leaves) != 0 {
				t.Errorf("an empty index has %d leaves, %+v", len(x.ix.leaves), st)
			}
		})
	}
}

// TestSmallIndex: an index that shrinks to a few items does not keep its leaf.
func TestSmallIndex(t *testing.T) {
	x := &indexOf{a: arena.New(0)}
	defer x.a.Close()
	for i := range uint32(leafItems) {
		x.insert(i)
	}
	for i := uint32(leafItems - 1); i >= 3; i-- {
		x.remove(i)
		if got := x.leafBytes(); x.ix.count > 2 && got > 4*itemBytes {
			t.Errorf("%.2f bytes of leaves for each of %d items", got, x.ix.count)
		}
	}
}

func TestItems(t *testing.T) {
	it := newItem(0xfffefd, 1<<arena.RefBits-1)
	if it.prefix() != 0xfffefd || it.ref() != 1<<arena.RefBits-1 {
		t.Errorf("%x has prefix %x and reference %x", uint64(it), it.prefix(), it.ref())
	}
	if it := it.withRef(5); it.prefix() != 0xfffefd || it.ref() != 5 {
		t.Errorf("%x has prefix %x and reference %x", uint64(it), it.prefix(), it.ref())
	}
	for _, key := range []struct {
		key  string
		want uint32
	}{{"", 0}, {"a", 0x610000}, {"ab", 0x616200}, {"abc", 0x616263}, {"abcd", 0x616263}, {"\xff\xff\xff", 0xffffff}} {
		if got := prefixOf(key.key); got != key.want {
			t.Errorf("prefix of %q: %x, want %x", key.key, got, key.want)
		}
	}
}
