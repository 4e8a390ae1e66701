package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

const (
	// entryRoom is how much room there must be before a member that is joining asks for
	// entries: more than a page of them needs. One that is attached takes all, as it does
	// with those that are replicated to it (F30).
	entryRoom = 512 << 10
	// pageMost is about how many bytes a page of entries or of values has.
	pageMost = 64 << 10
)

// errAdopting passes: the layout that the machine follows is not in use everywhere in
// this node yet.
var errAdopting = errors.New("a layout is being adopted")

// stage is how far the copy of a slot has come.
type stage uint8

const (
	opening  stage = iota // nothing was done yet in this view
	entries               // the entries behind after are next
	listing               // a page of values is next
	fetching              // values of the page are not here yet
	copied                // everything is here
)

// Slot copies one slot, as the newest layout says. It is for one goroutine at a time.
type Slot struct {
	parts  *Parts
	number uint8

	phase layout.Phase // of this node, when the copy was opened
	view  uint64       // of the slot then; 0 while joining
	stage stage
	after string // the last key whose entry was taken
	// all: the machine knows that all entries were copied, which stays so in later views:
	// it was sent all that came since.
	all bool
	// worked is for how long what came was worked on while it was asked for.
	worked time.Duration
	values
}

// NewSlot returns the copy of a slot. Nothing was done yet.
func NewSlot(parts *Parts, number uint8) *Slot {
	s := &Slot{parts: parts, number: number, values: values{size: -1}}
	s.restart(0)
	return s
}

// Step does the next piece of the work, which is to ask one other member for one page or
// for one batch of values, or less. done tells that there is nothing to do any more: by
// the newest layout this node does not copy the slot, or everything is here. A later
// layout may change that.
//
// After an error Step is to be called again, a moment later. It goes on where it was, and
// begins anew where it must: when this node's phase or the slot's view changed.
func (s *Slot) Step(ctx context.Context) (done bool, err error) {
	t := s.parts.Table()
	phase := copying(t, s.parts.Self, s.number)
	if phase == 0 {
		s.restart(0)
		return true, nil
	}
	owners := t.Owners(s.number)
	switch done, err = s.open(phase, owners); {
	case done:
		return true, nil
	case err != nil:
	case s.stage == entries:
		err = s.copyEntries(ctx, owners)
	case s.stage == listing:
		err = s.list(ctx, owners)
	case s.stage == fetching:
		err = s.fetch(ctx, owners)
	}
	if err != nil {
		return false, fmt.Errorf("slot %d: %w", s.number, err)
	}
	return false, nil // of what is copied now, the next step sees whether the machine agrees
}

// copying is the phase of a member that is to copy a slot, else 0.
func copying(t *layout.Table, self layout.ID, slot uint8) layout.Phase {
	if t == nil {
		return 0
	}
	me := t.Member(self)
	if me == nil || me.Phase != layout.Joining && me.Phase != layout.Attached || !me.Name.Range.Contains(slot) {
		return 0
	}
	return me.Phase
}

// open begins to copy in this phase and in the slot's view, unless that was done.
func (s *Slot) open(phase layout.Phase, owners *layout.Owners) (done bool, err error) {
	if phase == layout.Joining {
		if s.phase != phase {
			s.restart(phase)
		}
		if s.stage == opening {
			s.stage = entries
		}
		return s.stage == copied, nil
	}
	if s.phase == phase && s.stage != opening && s.stage != copied && s.view == owners.View {
		return false, nil
	}
	again := s.phase == phase && s.stage == copied
	s.restart(phase)
	view, ok := s.parts.Machine.OpenCopy(s.number)
	switch {
	case !ok:
		s.stage = copied
		return true, nil
	case view != owners.View:
		// What is read by an older layout than the machine's may lack what is written by
		// now (F5).
		return false, errAdopting
	}
	s.view, s.stage = view, entries
	if s.all = s.all && !again; s.all {
		s.stage = listing
	}
	return false, nil
}

// restart has what follows begun anew.
func (s *Slot) restart(phase layout.Phase) {
	if phase == 0 {
		s.values.discard()
	}
	s.all = s.all && phase == s.phase
	s.phase, s.view, s.stage, s.after = phase, 0, opening, ""
	s.values.restart(s.number)
}

// inView passes on what the machine says of the view; unless it is nil, the copy must
// begin anew.
func (s *Slot) inView(err error) error {
	if err != nil {
		s.restart(s.phase)
	}
	return err
}

// copyEntries takes over a page of entries from the primary, which alone knows what is
// committed (F24).
func (s *Slot) copyEntries(ctx context.Context, owners *layout.Owners) error {
	m := owners.Primary
	if m == nil || m.Incarnation == s.parts.Self {
		return errors.New("no primary to copy entries from")
	}
	if s.phase == layout.Joining && !s.parts.Values.Room(entryRoom) {
		return fmt.Errorf("%w: no room for entries", kv.ErrNoMemory)
	}
	q := wire.SomeEntries{Most: s.parts.pace.Part(pageMost), Entries: wire.Entries{Slot: s.number, After: s.after}}
	var page wire.EntryPage
	err := s.paced(ctx, q.Most, func() (came int64, err error) {
		page, came, err = s.parts.Source.Entries(ctx, m, &q)
		return came, err
	})
	if err != nil {
		return err
	}
	return s.takeEntries(m, &page)
}

// paced asks for something when so many bytes may come, and counts those that came.
func (s *Slot) paced(ctx context.Context, most int64, ask func() (came int64, err error)) error {
	waited, err := s.parts.pace.Wait(ctx, most)
	if err != nil {
		return err
	}
	s.worked = 0
	began := s.parts.meter.now()
	came, err := ask()
	s.parts.pace.Came(waited, came)
	s.parts.meter.asked(began, s.worked, came)
	return err
}

func (s *Slot) takeEntries(m *layout.Member, page *wire.EntryPage) error {
	last := s.after
	for i := range page.Entries {
		if page.Entries[i].Key <= last {
			return fmt.Errorf("%s sent entries out of order", m.Name)
		}
		last = page.Entries[i].Key
	}
	if page.More && last == s.after {
		return fmt.Errorf("%s sent an empty page of entries and says that there are more", m.Name)
	}
	s.parts.hands.Take()
	err := s.parts.Machine.TakePage(s.number, s.view, s.after, page)
	s.parts.hands.Give()
	if s.inView(err) != nil {
		return err
	}
	s.after = last
	if page.More {
		return nil
	}
	s.stage = listing
	if s.phase == layout.Joining {
		return nil
	}
	err = s.parts.Machine.EntriesCopied(s.number, s.view)
	s.all = err == nil
	return s.inView(err)
}

// finish tells that entries and values were copied.
func (s *Slot) finish() error {
	s.stage = copied
	s.discard()
	if s.phase == layout.Joining {
		s.parts.Machine.Copied(s.number)
		return nil
	}
	return s.inView(s.parts.Machine.ValuesCopied(s.number, s.view))
}
