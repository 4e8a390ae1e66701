package transfer

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// TestResume: whatever breaks in the middle, what is here is never sent again. The owners count
// the bytes of values that they send.
func TestResume(t *testing.T) {
	// Eight small values, and one of 250,000 bytes that comes in many parts.
	small, large := []byte{1, 2, 3, 4, 5, 6, 7, 8}, byte(250)
	const total = 36 + 250_000
	for name, test := range map[string]struct {
		phase layout.Phase
		set   func(*story)
		sent  int64 // beyond what is needed
	}{
		"nothing breaks": {layout.Joining, func(*story) {}, 0},
		// A call that fails brings half of what it should.
		"broken connections": {layout.Joining, func(s *story) {
			s.fails = map[string]int{"values": 2, "fetch": 5, "part": 40}
		}, 0},
		"the source dies": {layout.Joining, func(s *story) {
			s.before["part of 250 at 200000"] = func() { s.table = table(6, 5, layout.Joining, a) }
			s.fails["part of 250 at 200000 of 7 from b"] = 1
		}, 0},
		"the view turns": {layout.Attached, func(s *story) {
			turn := func(view uint64) func() {
				return func() { s.view, s.table = view, table(view, view, layout.Attached, a, b) }
			}
			s.before["fetch [5 6 7 8]"] = turn(6)
			s.before["part of 250 at 100000"] = turn(7)
		}, 0},
		"it is attached in the middle": {layout.Joining, func(s *story) {
			s.before["part of 250 at 100000"] = func() { s.view, s.table = 8, table(8, 8, layout.Attached, a, b) }
		}, 0},
		"connections that break after the last byte": {layout.Joining, func(s *story) { s.late = map[string]int{"fetch": 2, "part": 40} }, 0},
		// Only what is wrong comes again, from the other.
		"corrupt at one": {layout.Joining, func(s *story) { s.broken[b] = []byte{3, 250} }, 3 + 250_000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(table(5, 5, test.phase, a, b))
			s.page = 4
			s.values[7] = append(bytes.Clone(small), large)
			test.set(s)
			parts := s.parts()
			parts.pace = newPace()
			parts.pace.SetLimit(25_000 * share) // so much at once
			slot := NewSlot(parts, 7)
			for i := range 1000 {
				parts.pace.SetLimit(0) // nobody waits here
				if i < 10 || i > 12 {  // some parts come without a limit
					parts.pace.SetLimit(25_000 * share)
				}
				done, err := slot.Step(t.Context())
				if err != nil {
					s.log = append(s.log, "error: "+err.Error())
				}
				if done {
					break
				}
			}
			if s.sent != total+test.sent {
				t.Errorf("%d bytes were sent for %d:\n%s", s.sent, total+test.sent, lines(s.log))
			}
			for _, id := range s.values[7] {
				if !s.here[uid.UID{7, id}] {
					t.Errorf("%d is not here:\n%s", id, lines(s.log))
				}
			}
			if s.begun != 0 {
				t.Errorf("%d values of which a part is here are left", s.begun)
			}
		})
	}
}

func lines(log []string) (out string) {
	for _, l := range log {
		out += l + "\n"
	}
	return out
}

// TestParts tells what is said while a large value is copied.
func TestParts(t *testing.T) {
	for name, test := range map[string]struct {
		set  func(*story)
		want string
	}{
		"in order": {func(*story) {}, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b
			part of 200 at 160000 of 7 from b
			7 copied`},
		"an owner fails, another goes on": {func(s *story) { s.fails["part of 200 at 80000"] = 1 }, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b: fails
			error: slot 7: no answer
			part of 200 at 120000 of 7 from a
			7 copied`},
		"gone at one in the middle": {func(s *story) {
			s.before["part of 200 at 80000"] = func() { s.gone[b] = []byte{200} }
		}, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b
			part of 200 at 80000 of 7 from a
			part of 200 at 160000 of 7 from a
			7 copied`},
		"gone at all": {func(s *story) {
			s.page, s.values[7] = 1, []byte{200, 201}
			s.gone[a], s.gone[b] = []byte{201}, []byte{201}
			s.before["values of 7 after 200"] = func() {
				if s.begun != 0 {
					t.Error("a part of what is gone is still here")
				}
			}
			s.before["part of 200 at 80000"] = func() { s.gone[a], s.gone[b] = []byte{200, 201}, []byte{200, 201} }
		}, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b
			part of 200 at 80000 of 7 from a
			values of 7 after 200 from b
			part of 201 at 0 of 7 from b
			part of 201 at 0 of 7 from a
			7 copied`},
		"corrupt at one": {func(s *story) { s.broken[b] = []byte{200} }, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b
			part of 200 at 160000 of 7 from b
			suspect 200 at b
			part of 200 at 0 of 7 from a
			part of 200 at 80000 of 7 from a
			part of 200 at 160000 of 7 from a
			7 copied`},
		// A corrupt copy is not "gone": it is missing until the owner has dropped it.
		"corrupt at one, gone at the other": {func(s *story) {
			s.broken[b], s.gone[a] = []byte{200}, []byte{200}
			s.before["part of 200 at 0 of 7 from a"] = func() { s.gone[b] = []byte{200} }
		}, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b
			part of 200 at 160000 of 7 from b
			suspect 200 at b
			part of 200 at 0 of 7 from a
			error: slot 7: corrupt copy: no owner has a good copy of 07c80000…
			part of 200 at 0 of 7 from b
			part of 200 at 0 of 7 from a
			7 copied`},
		// Of two owners that sent some of it one cannot say whose bytes were wrong: both look, and
		// then it comes from one.
		"corrupt at one of two": {func(s *story) {
			s.broken[a], s.fails["part of 200 at 80000"] = []byte{200}, 1
		}, `
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b: fails
			error: slot 7: no answer
			part of 200 at 120000 of 7 from a
			suspect 200 at b
			suspect 200 at a
			error: slot 7: corrupt copy: 07c80000… of 2 owners
			part of 200 at 0 of 7 from b
			part of 200 at 80000 of 7 from b
			part of 200 at 160000 of 7 from b
			7 copied`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(table(5, 5, layout.Joining, a, b))
			s.values[7] = []byte{200}
			test.set(s)
			parts := s.parts()
			parts.pace = newPace()
			slot := NewSlot(parts, 7)
			for done := false; !done; {
				parts.pace.SetLimit(0)
				parts.pace.SetLimit(80_000 * share)
				var err error
				if done, err = slot.Step(t.Context()); err != nil {
					s.log = append(s.log, "error: "+err.Error())
				}
			}
			for i := range s.log {
				s.log[i] = strings.ReplaceAll(s.log[i], uid.UID{7, 200}.String(), "07c80000…")
			}
			says(t, s.log[3:], test.want) // after the page of entries and the list
			if s.begun != 0 {
				t.Errorf("%d values are left of which a part is here", s.begun)
			}
		})
	}
}

// TestPartsGivenUp: what is here of a value is given back once the slot is not to be copied.
func TestPartsGivenUp(t *testing.T) {
	s := newStory(table(5, 5, layout.Joining, a))
	s.values[7], s.fails["part"] = []byte{255}, 1
	parts := s.parts()
	parts.pace = newPace()
	parts.pace.SetLimit(1000 * share)
	slot := NewSlot(parts, 7)
	for s.begun == 0 {
		_, err := slot.Step(t.Context())
		if err != nil && !errors.Is(err, errFails) {
			t.Fatal(err)
		}
	}
	s.table = table(6, 5, 0, a)
	if done, err := slot.Step(t.Context()); !done || err != nil || s.begun != 0 {
		t.Errorf("done %v, %v, %d values are left", done, err, s.begun)
	}
}

// TestPartsOfAnother: what is here of a value is given back when the next one comes in parts and the
// first is not needed any more.
func TestPartsOfAnother(t *testing.T) {
	s := newStory(table(5, 5, layout.Attached, a))
	s.values[7], s.fails["part of 250 at 100000"] = []byte{250, 251}, 1
	s.before["part of 250 at 100000"] = func() {
		s.view, s.table, s.here[uid.UID{7, 250}] = 6, table(6, 6, layout.Attached, a), true
	}
	s.before["part of 251 at 100000"] = func() {
		if s.begun != 1 {
			t.Errorf("parts of %d values are here", s.begun)
		}
	}
	parts := s.parts()
	parts.pace = newPace()
	slot := NewSlot(parts, 7)
	for done := false; !done; {
		parts.pace.SetLimit(0)
		parts.pace.SetLimit(100_000 * share)
		var err error
		if done, err = slot.Step(t.Context()); err != nil && !errors.Is(err, errFails) {
			t.Fatal(err)
		}
	}
	if !s.here[uid.UID{7, 251}] || s.begun != 0 || s.before["part of 251 at 100000"] != nil {
		t.Errorf("parts of %d values are left:\n%s", s.begun, lines(s.log))
	}
}
