package layout

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is the bootstrap layout of so many shards and copies.
func example(t testing.TB, shards, copies int) *Layout {
	t.Helper()
	names, err := Names("snow", shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	l := &Layout{Cluster: ID{1}, Epoch: 1}
	for i, n := range names {
		l.Members = append(l.Members, Member{
			Name: n, Address: "127.0.0.1:1", Incarnation: ID{2, byte(i), byte(i >> 8)}, JoinEpoch: 1, Phase: Serving,
		})
	}
	l.Segments = SegmentsOf(l.Members, 1)
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestOwners(t *testing.T) {
	table := NewTable(example(t, 3, 2))
	for _, c := range []struct {
		slot uint8
		want []string
	}{
		{0, []string{"snow-0-169", "snow-170-84"}},
		{84, []string{"snow-0-169", "snow-170-84"}},
		{85, []string{"snow-85-255", "snow-0-169"}},
		{170, []string{"snow-170-84", "snow-85-255"}},
		{255, []string{"snow-170-84", "snow-85-255"}},
	} {
		var got []string
		for _, m := range table.Owners(c.slot).Serving {
			got = append(got, m.Name.String())
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("slot %d:\n%s", c.slot, d)
		}
	}
}

// Whatever the shards and copies, each slot has its copies in a fixed order, and
// the primaries spread over all nodes.
func TestPrimariesSpread(t *testing.T) {
	for shards := 1; shards <= MaxShards; shards += 5 {
		for copies := 1; copies <= 8; copies++ {
			l := example(t, shards, copies)
			table := NewTable(l)
			primaries := map[ID]int{}
			for s := range Slots {
				o := table.Owners(uint8(s))
				if len(o.Serving) != copies || len(o.Ack) != copies {
					t.Fatalf("%d×%d: slot %d has %d owners", shards, copies, s, len(o.Serving))
				}
				primaries[o.Primary.Incarnation]++
			}
			if len(primaries) != len(l.Members) {
				t.Fatalf("%d×%d: %d of %d nodes are primary of something", shards, copies, len(primaries), len(l.Members))
			}
		}
	}
}

func TestPhasesOfOwners(t *testing.T) {
	l := example(t, 1, 4)
	l.Epoch = 9
	for i, p := range []Phase{Joining, Attached, Leaving, Serving} {
		l.Members[i].Phase = p
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	o := NewTable(l).Owners(0)
	if len(o.Serving) != 1 || o.Primary != &l.Members[3] || len(o.Ack) != 3 {
		t.Errorf("serving %d, acknowledging %d", len(o.Serving), len(o.Ack))
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*Layout)
		want string
	}{
		{"no epoch", func(l *Layout) { l.Epoch = 0 }, "no epoch"},
		{"incarnation twice", func(l *Layout) { l.Members[1].Incarnation = l.Members[0].Incarnation }, "twice"},
		{"phase", func(l *Layout) { l.Members[1].Phase = 9 }, "phase 9"},
		{"joined later", func(l *Layout) { l.Members[1].JoinEpoch = 2 }, "joined in epoch 2"},
		{"no address", func(l *Layout) { l.Members[1].Address = "" }, "no address"},
		{"gap at 0", func(l *Layout) { l.Segments[0].Lo = 1 }, "slot 0"},
		{"not sorted", func(l *Layout) { l.Segments[2].Lo = l.Segments[1].Lo }, "not after"},
		{"view", func(l *Layout) { l.Segments[1].View = 2 }, "view 2"},
		{"owner twice", func(l *Layout) { l.Segments[1].Order = []uint16{1, 1} }, "twice"},
		{"owner out of range", func(l *Layout) { l.Segments[1].Order = []uint16{2} }, "does not hold slot 85"},
		{"no owner", func(l *Layout) { l.Segments[1].Order = nil }, "no owner"},
		{"only joining", func(l *Layout) {
			for i := range l.Members {
				l.Members[i].Phase = Joining
			}
		}, "no owner"},
	} {
		l := example(t, 3, 2)
		c.do(l)
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestEncodeIsExact(t *testing.T) {
	for _, n := range []int{1, 3, 256} {
		l := example(t, n, min(n, 3))
		got, err := Decode(l.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, got); d != "" {
			t.Error(d)
		}
	}
	a, b := example(t, 3, 2), example(t, 3, 2)
	b.Members[2].Phase = Leaving
	if a.Hash() == b.Hash() {
		t.Error("different layouts have one hash")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(example(f, 3, 2).Encode())
	f.Add(example(f, 1, 1).Encode())
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(l.Encode())
		if err != nil {
			t.Fatalf("what was decoded does not decode: %v", err)
		}
		if !bytes.Equal(again.Encode(), l.Encode()) {
			t.Fatal("encoding is not stable")
		}
		NewTable(l)
	})
}

func TestIDText(t *testing.T) {
	id := NewID()
	b, _ := id.MarshalText()
	var back ID
	if err := back.UnmarshalText(b); err != nil || back != id {
		t.Errorf("%s: %v %v", id, back, err)
	}
	if back.UnmarshalText([]byte("xyz")) == nil {
		t.Error("xyz is no ID")
	}
}
