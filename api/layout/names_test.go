package layout

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func spell(names []Name) []string {
	var out []string
	for _, n := range names {
		out = append(out, n.Range.String())
	}
	return out
}

func TestNamesAsInTheOriginal(t *testing.T) {
	for _, c := range []struct {
		shards, copies int
		want           []string
	}{
		{1, 1, []string{"0-255"}},
		{3, 1, []string{"0-84", "85-169", "170-255"}},
		{3, 2, []string{"0-169", "85-255", "170-84"}},
		{1, 3, []string{"0-255", "85-84", "170-169"}},
	} {
		got, err := Names("x", c.shards, c.copies)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, spell(got)); d != "" {
			t.Errorf("%d shards, %d copies:\n%s", c.shards, c.copies, d)
		}
	}
}

// Every slot has exactly the copies asked for, and no node holds more than one slot
// per copy more than another: all of 1..256 shards by 1..8 copies.
func TestNamesCoverTheRing(t *testing.T) {
	for shards := 1; shards <= MaxShards; shards++ {
		for copies := 1; copies <= 8; copies++ {
			names, err := Names("x", shards, copies)
			if err != nil {
				t.Fatal(err)
			}
			if want := max(shards, copies); len(names) != want {
				t.Fatalf("%d×%d: %d nodes", shards, copies, len(names))
			}
			var owners [Slots]int
			smallest, largest := Slots, 0
			for _, n := range names {
				size := n.Range.Size()
				smallest, largest = min(smallest, size), max(largest, size)
				for i := range size {
					owners[uint8(int(n.Range.Lo)+i)]++
				}
			}
			for s, k := range owners {
				if k != copies {
					t.Fatalf("%d×%d: slot %d has %d owners", shards, copies, s, k)
				}
			}
			segment := (Slots + len(names) - 1) / len(names)
			if largest-smallest > segment {
				t.Fatalf("%d×%d: ranges of %d to %d slots", shards, copies, smallest, largest)
			}
			if u := Uncovered(names); u != nil {
				t.Fatalf("%d×%d: uncovered %v", shards, copies, u)
			}
		}
	}
}

func TestNamesRefuses(t *testing.T) {
	for _, c := range []struct {
		base           string
		shards, copies int
		want           string
	}{
		{"", 1, 1, "name is empty"},
		{"x", 0, 1, "0 shards"},
		{"x", 257, 1, "257 shards"},
		{"x", 1, 0, "0 copies"},
		{"x", 1, 257, "257 copies"},
	} {
		if _, err := Names(c.base, c.shards, c.copies); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Names(%q, %d, %d): %v, want %q", c.base, c.shards, c.copies, err, c.want)
		}
	}
}

func TestParseNames(t *testing.T) {
	names, err := ParseNames([]string{"a-0-169", "b-85-255", "c-170-84"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Name{{"a", Range{0, 169}}, {"b", Range{85, 255}}, {"c", Range{170, 84}}}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	for _, c := range []struct {
		list []string
		want string
	}{
		{nil, "no node names"},
		{[]string{"a-0-84", "b-170-200"}, "no node holds slots 85-169, 201-255"},
		{[]string{"a-10-200"}, "no node holds slots 201-9"},
		{[]string{"a-0-255", "a-0-255"}, `"a-0-255" stands twice`},
		{[]string{"a-0-256"}, `node name "a-0-256"`},
		{[]string{"a-00-255"}, `"00" is not a slot`},
		{[]string{"0-255"}, "no range at its end"},
		{[]string{"-0-255"}, "nothing before the range"},
		{[]string{"a"}, "no range"},
		{[]string{"a-+1-255"}, `"+1" is not a slot`},
	} {
		if _, err := ParseNames(c.list); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseNames(%q): %v, want %q", c.list, err, c.want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"snow-0-169", "a-b-c-170-84", "--1-2", "x-256-1", "x-01-1", "é-0-0", "-", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		if n.String() != s {
			t.Fatalf("%q was read as %q", s, n)
		}
		count := 0
		for slot := range Slots {
			if n.Range.Contains(uint8(slot)) {
				count++
			}
		}
		if count != n.Range.Size() {
			t.Fatalf("%q contains %d slots, size %d", s, count, n.Range.Size())
		}
	})
}

func TestRangesJoin(t *testing.T) {
	var in [Slots]bool
	for _, s := range []uint8{0, 1, 5, 254, 255} {
		in[s] = true
	}
	if d := cmp.Diff([]Range{{254, 1}, {5, 5}}, Ranges(&in)); d != "" {
		t.Error(d)
	}
	if got := Ranges(new([Slots]bool)); len(got) != 0 {
		t.Error(got)
	}
	if !slices.Equal(Ranges(full()), []Range{{0, 255}}) {
		t.Error("a full ring is one range")
	}
}

func full() *[Slots]bool {
	var in [Slots]bool
	for s := range in {
		in[s] = true
	}
	return &in
}
