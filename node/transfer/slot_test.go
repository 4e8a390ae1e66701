package transfer

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// TestSlot tells what is said while one slot is copied, line by line.
func TestSlot(t *testing.T) {
	for name, test := range map[string]struct {
		phase layout.Phase
		set   func(*story)
		want  string
	}{
		"nothing to copy": {layout.Attached, func(*story) {}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			values of 7 copied in 5`},
		"not a member":     {0, func(*story) {}, ``},
		"it serves":        {layout.Serving, func(*story) {}, ``},
		"it leaves":        {layout.Leaving, func(*story) {}, ``},
		"complete already": {layout.Attached, func(s *story) { s.copied[7] = 2 }, ``},

		// Every page is passed on in order, with the key that it follows, to its end: that
		// is what the machine sees deletes by.
		"pages": {layout.Attached, func(s *story) {
			s.entries, s.values[7] = []string{"k1", "k2", "k3", "k4", "k5"}, []byte{1, 2, 3, 4, 5}
			s.here[uid.UID{7, 2}], s.here[uid.UID{7, 5}] = true, true
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 5
			entries of 7 after "k2" from a
			take [k3 k4] of 7 after "k2" in 5
			entries of 7 after "k4" from a
			take [k5] of 7 after "k4" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			touch 2 for 2
			fetch [1] of 7 from b
			values of 7 after 2 from b
			fetch [3 4] of 7 from b
			values of 7 after 4 from b
			touch 5 for 5
			values of 7 copied in 5`},
		"joining": {layout.Joining, func(s *story) {
			s.entries, s.values[7] = []string{"k1", "k2", "k3"}, []byte{1}
		}, `
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 0
			entries of 7 after "k2" from a
			take [k3] of 7 after "k2" in 0
			values of 7 after 0 from b
			fetch [1] of 7 from b
			7 copied`},

		// The copy goes on where it was; values are asked of the next owner.
		"no answers": {layout.Attached, func(s *story) {
			s.entries, s.values[7] = []string{"k1", "k2", "k3"}, []byte{1, 2, 3}
			s.fails = map[string]int{"entries": 1, `entries of 7 after "k2"`: 1, "values of 7 after 0": 1, "fetch": 1, "values of 7 after 2": 1}
		}, `
			open 7 in 5
			entries of 7 after "" from a: fails
			error: slot 7: no answer
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 5
			entries of 7 after "k2" from a: fails
			error: slot 7: no answer
			entries of 7 after "k2" from a
			take [k3] of 7 after "k2" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b: fails
			error: slot 7: no answer
			values of 7 after 0 from a
			fetch [1 2] of 7 from a: fails
			error: slot 7: no answer
			fetch [2] of 7 from b
			values of 7 after 2 from b: fails
			error: slot 7: no answer
			values of 7 after 2 from a
			fetch [3] of 7 from a
			values of 7 copied in 5`},

		// What one owner lacks another may have; what nobody has was freed.
		"gone at one": {layout.Attached, func(s *story) {
			s.values[7], s.gone[b] = []byte{1, 2}, []byte{2}
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			fetch [1 2] of 7 from b
			fetch [2] of 7 from a
			values of 7 copied in 5`},
		"gone at all": {layout.Attached, func(s *story) {
			s.values[7], s.gone[b], s.gone[a] = []byte{1, 2, 3}, []byte{1, 2}, []byte{1}
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			fetch [1 2] of 7 from b
			fetch [1 2] of 7 from a
			values of 7 after 2 from b
			fetch [3] of 7 from b
			values of 7 copied in 5`},
		"gone at one, no answer from the other": {layout.Attached, func(s *story) {
			s.values[7], s.gone[b], s.gone[a] = []byte{1}, []byte{1}, []byte{1}
			s.fails["fetch [1] of 7 from a"] = 2
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			fetch [1] of 7 from b
			fetch [1] of 7 from a: fails
			error: slot 7: no answer
			fetch [1] of 7 from a: fails
			error: slot 7: no answer
			fetch [1] of 7 from a
			values of 7 copied in 5`},

		"corrupt at one": {layout.Attached, func(s *story) {
			s.values[7], s.broken[b] = []byte{1, 2}, []byte{1}
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			fetch [1 2] of 7 from b
			suspect 1 at b
			fetch [1] of 7 from a
			values of 7 copied in 5`},
		// A corrupt copy is not "gone": it is missing until the owner has dropped it.
		"corrupt at one, gone at the other": {layout.Attached, func(s *story) {
			s.values[7], s.broken[b], s.gone[a] = []byte{1}, []byte{1}, []byte{1}
			s.before["fetch [1] of 7 from a"] = func() { s.gone[b] = []byte{1} }
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			fetch [1] of 7 from b
			suspect 1 at b
			fetch [1] of 7 from a
			error: slot 7: corrupt copy: no owner has a good copy of 07010000…
			fetch [1] of 7 from b
			fetch [1] of 7 from a
			values of 7 copied in 5`},

		// The machine is in another view: all is looked at again in that one.
		"new view while entries come": {layout.Attached, func(s *story) {
			s.entries = []string{"k1", "k2", "k3"}
			s.before[`take [k3]`] = func() { s.view, s.table = 6, table(6, 6, layout.Attached, a, b) }
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 5
			entries of 7 after "k2" from a
			take [k3] of 7 after "k2" in 5: the view is 6
			error: slot 7: the view changed
			open 7 in 6
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 6
			entries of 7 after "k2" from a
			take [k3] of 7 after "k2" in 6
			entries of 7 copied in 6
			values of 7 after 0 from b
			values of 7 copied in 6`},
		// But entries that were all copied stay all: later ones were sent.
		"new view before the last words": {layout.Attached, func(s *story) {
			s.values[7] = []byte{1}
			s.before["entries of 7 copied"] = func() { s.view, s.table = 6, table(6, 6, layout.Attached, a, b) }
			s.before["values of 7 copied"] = func() { s.view, s.table = 8, table(8, 8, layout.Attached, b) }
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [] of 7 after "" in 5
			entries of 7 copied in 5: the view is 6
			error: slot 7: the view changed
			open 7 in 6
			entries of 7 after "" from a
			take [] of 7 after "" in 6
			entries of 7 copied in 6
			values of 7 after 0 from b
			fetch [1] of 7 from b
			values of 7 copied in 6: the view is 8
			error: slot 7: the view changed
			open 7 in 8
			values of 7 after 0 from b
			touch 1 for 1
			values of 7 copied in 8`},
		"new view seen in the layout": {layout.Attached, func(s *story) {
			s.entries = []string{"k1", "k2", "k3"}
			s.before[`entries of 7 after "k2"`] = func() { s.view, s.table = 6, table(6, 6, layout.Attached, b) }
			s.fails[`entries of 7 after "k2" from a`] = 1
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 5
			entries of 7 after "k2" from a: fails
			error: slot 7: no answer
			open 7 in 6
			entries of 7 after "" from b
			take [k1 k2] of 7 after "" in 6
			entries of 7 after "k2" from b
			take [k3] of 7 after "k2" in 6
			entries of 7 copied in 6
			values of 7 after 0 from b
			values of 7 copied in 6`},
		"serving half-way": {layout.Attached, func(s *story) {
			s.entries = []string{"k1", "k2", "k3"}
			s.before["take"] = func() { s.table = table(6, 5, layout.Serving, a, b) }
		}, `
			open 7 in 5
			entries of 7 after "" from a
			take [k1 k2] of 7 after "" in 5`},

		"no owner serves": {layout.Attached, func(s *story) {
			s.table = table(5, 5, layout.Attached)
			s.before["open"] = func() { s.table = table(6, 5, layout.Attached, b) }
		}, `
			open 7 in 5
			error: slot 7: no primary to copy entries from
			entries of 7 after "" from b
			take [] of 7 after "" in 5
			entries of 7 copied in 5
			values of 7 after 0 from b
			values of 7 copied in 5`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(table(5, 5, test.phase, a, b))
			test.set(s)
			got := s.run(t, NewSlot(s.parts(), 7))
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], uid.UID{7, 1}.String(), "07010000…")
			}
			says(t, got, test.want)
		})
	}
}

// says compares what was said with the lines of a text.
func says(t *testing.T, got []string, text string) {
	t.Helper()
	want := strings.FieldsFunc(strings.ReplaceAll(text, "\t", ""), func(r rune) bool { return r == '\n' })
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPhases follows one slot through the phases of its member.
func TestPhases(t *testing.T) {
	s := newStory(table(2, 1, layout.Joining, a, b))
	s.entries, s.values[7], s.view = []string{"k1"}, []byte{1}, 1
	slot := NewSlot(s.parts(), 7)
	says(t, s.run(t, slot), `
		entries of 7 after "" from a
		take [k1] of 7 after "" in 0
		values of 7 after 0 from b
		fetch [1] of 7 from b
		7 copied`)
	s.table = table(3, 1, layout.Joining, a, b)
	says(t, s.run(t, slot), ``) // once around is enough

	s.table, s.view = table(4, 4, layout.Attached, a, b), 4
	again := `
		open 7 in 4
		entries of 7 after "" from a
		take [k1] of 7 after "" in 4
		entries of 7 copied in 4
		values of 7 after 0 from b
		touch 1 for 1
		values of 7 copied in 4`
	says(t, s.run(t, slot), again)
	s.table = table(5, 4, layout.Attached, a, b)
	says(t, s.run(t, slot), ``)
	s.copied[7] = 0 // the machine knows better
	says(t, s.run(t, slot), again)
	s.table = table(6, 4, layout.Serving, a, b)
	says(t, s.run(t, slot), ``)
	if p := slot.Progress(); p != (Progress{Bytes: 1, Values: 1, Here: 2}) {
		t.Errorf("%+v", p)
	}
}

// TestSlotLeft: what is left becomes known with the first list, and less with each value
// that is here, comes, or is gone.
func TestSlotLeft(t *testing.T) {
	s := newStory(table(5, 5, layout.Attached, a))
	s.values[7], s.here[uid.UID{7, 2}], s.gone[a] = []byte{1, 2, 3, 4}, true, []byte{4}
	slot := NewSlot(s.parts(), 7)
	var got []int64
	for done := false; !done; {
		left, size, known := slot.Left()
		if known != (size == 10) {
			t.Errorf("size %d, known: %v", size, known)
		}
		got = append(got, left)
		var err error
		if done, err = slot.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Entries, a list, a value, a list, a value, and that all is copied.
	if diff := cmp.Diff([]int64{0, 0, 8, 7, 7, 0}, got); diff != "" {
		t.Errorf("left before each step (-want +got):\n%s", diff)
	}
	if p := slot.Progress(); p != (Progress{Bytes: 4, Values: 2, Here: 1, Gone: 1}) {
		t.Errorf("%+v", p)
	}
}

// TestMachineAhead: nothing is asked by a layout in which the slot has not the view of
// the machine yet. What an owner says in an older view may lack what is written by now,
// and the machine could not tell (F5).
func TestMachineAhead(t *testing.T) {
	s := newStory(table(5, 5, layout.Attached, a, b))
	s.view = 6
	slot := NewSlot(s.parts(), 7)
	for range 2 {
		if done, err := slot.Step(t.Context()); done || !errors.Is(err, errAdopting) {
			t.Errorf("done %v, %v", done, err)
		}
	}
	says(t, s.log, "open 7 in 6\nopen 7 in 6")
	s.table = table(6, 6, layout.Attached, a, b)
	if _, err := slot.Step(t.Context()); err != nil {
		t.Error(err)
	}
	says(t, s.log[2:], `
		open 7 in 6
		entries of 7 after "" from a
		take [] of 7 after "" in 6`+"\nentries of 7 copied in 6")
}

// TestBatches: what is fetched at once is bounded in bytes and in number, and by the limit; what
// is larger alone comes in parts.
func TestBatches(t *testing.T) {
	const kib = 1 << 10
	for name, test := range map[string]struct {
		limit int64
		sizes []int64
		want  []int // negative: in parts
	}{
		"small":      {0, []int64{1, 2, 3}, []int{3}},
		"just full":  {0, []int64{64 * kib, 128 * kib, 64*kib - 16}, []int{3}},
		"too many":   {0, []int64{64 * kib, 128 * kib, 64*kib - 15}, []int{2, 1}},
		"large":      {0, []int64{1, 256*kib + 1, 1 << 40, 256 * kib, 1}, []int{1, -1, -1, 1, 1}},
		"many":       {0, make([]int64, batchMost/8+1), []int{wire.MaxFetchValues, wire.MaxFetchValues, wire.MaxFetchValues, wire.MaxFetchValues, 1}},
		"limit":      {40 * 4 * kib, []int64{kib, kib, kib, kib, 4 * kib, 5 * kib, kib}, []int{3, 1, 1, -1, 1}},
		"high limit": {1 << 40, []int64{64 * kib, 128 * kib, 64*kib - 15}, []int{2, 1}},
		"low limit":  {1, []int64{kib, 1, kib + 1, 1}, []int{1, 1, -1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			parts := newStory(table(5, 5, layout.Attached, a)).parts()
			parts.pace = newPace()
			parts.pace.SetLimit(test.limit)
			s := NewSlot(parts, 7)
			for _, size := range test.sizes {
				s.lacking = append(s.lacking, wire.ValueInfo{Size: size})
			}
			var got []int
			for len(s.lacking) > 0 {
				s.choose()
				if s.large {
					got = append(got, -s.batch)
				} else {
					got = append(got, s.batch)
				}
				s.lacking = s.lacking[s.batch:]
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
