package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// values is how far the values of a slot were copied.
type values struct {
	listed  uid.UID          // the last one of the pages so far
	more    bool             // there are pages to come
	lacking []wire.ValueInfo // of the page, not here yet
	batch   int              // the first so many of lacking are being fetched
	said    []layout.ID      // the owners that were asked for the batch and answered
	corrupt bool             // one of them sent bytes that were others
	turn    int              // which owner is asked first

	size     int64 // of all values of the slot, as an owner last said; -1: not known yet
	settled  int64 // bytes of those listed that are here or gone
	progress Progress
}

// Progress is what was done for a slot, since the beginning.
type Progress struct {
	Bytes  int64 // of values that were copied
	Values int64 // that were copied
	Here   int64 // values listed that were here already
	Gone   int64 // values listed that no owner had any more
}

func (v *values) restart(slot uint8) {
	// Different slots ask different owners first.
	*v = values{turn: int(slot), size: v.size, progress: v.progress}
}

// Progress tells what was done.
func (s *Slot) Progress() Progress { return s.progress }

// Left is about how many bytes of values are still to be copied, of how many that the
// slot has. known is false until an owner was asked.
func (s *Slot) Left() (left, size int64, known bool) {
	left = max(0, s.size-s.settled)
	if s.stage == copied {
		left = 0
	}
	return left, s.size, s.size >= 0
}

// list asks an owner for the next values of the slot, and touches those that are here.
func (s *Slot) list(ctx context.Context, owners *layout.Owners) error {
	serving := s.serving(owners)
	if len(serving) == 0 {
		return errors.New("no serving owner to copy values from")
	}
	m := serving[s.turn%len(serving)]
	page, err := s.parts.Source.UIDs(ctx, m, s.number, s.listed)
	if err == nil {
		err = s.takeList(m, &page)
	}
	if err != nil {
		s.turn++
		return err
	}
	return s.onward()
}

func (s *Slot) takeList(m *layout.Member, page *wire.UIDPage) error {
	last := s.listed
	for i := range page.Values {
		u := page.Values[i].UID
		if u.Slot() != s.number || bytes.Compare(u[:], last[:]) <= 0 {
			return fmt.Errorf("%s sent a list of values out of order", m.Name)
		}
		last = u
	}
	if page.More && last == s.listed {
		return fmt.Errorf("%s sent an empty list of values and says that there are more", m.Name)
	}
	s.listed, s.more, s.size = last, page.More, page.Bytes
	for i := range page.Values {
		v := page.Values[i]
		if s.parts.Values.Touch(v.UID, v.Witness) {
			s.progress.Here++
			s.settled += v.Size
		} else {
			s.lacking = append(s.lacking, v)
		}
	}
	return nil
}

// onward chooses what is next: the next batch of the page, the next page, or the end.
func (s *Slot) onward() error {
	s.batch, s.said, s.corrupt = 0, nil, false
	size := int64(0)
	for _, v := range s.lacking {
		if size += v.Size; s.batch > 0 && size > wire.MaxFetch || s.batch == wire.MaxFetchValues {
			break
		}
		s.batch++
	}
	switch {
	case s.batch > 0:
		s.stage = fetching
	case s.more:
		s.stage = listing
	default:
		return s.finish()
	}
	return nil
}

// serving are the members that have everything of the slot.
func (s *Slot) serving(owners *layout.Owners) []*layout.Member {
	return slices.DeleteFunc(slices.Clone(owners.Serving), func(m *layout.Member) bool { return m.Incarnation == s.parts.Self })
}

// fetch asks one owner for what is left of the batch. What it does not have, the next
// step asks the next owner for: a copy may be dropped while others have it. What none
// has was freed meanwhile.
func (s *Slot) fetch(ctx context.Context, owners *layout.Owners) error {
	m, err := s.nextOwner(owners)
	if err != nil {
		return err
	}
	if err := s.fetchFrom(ctx, m); err != nil {
		s.turn++
		return err
	}
	s.said = append(s.said, m.Incarnation)
	if s.batch == 0 {
		return s.onward()
	}
	if _, err := s.nextOwner(owners); err == nil {
		return nil
	}
	if s.corrupt {
		s.said, s.corrupt = nil, false
		return fmt.Errorf("%w: no owner has a good copy of %s", ErrCorrupt, s.lacking[0].UID)
	}
	for _, v := range s.lacking[:s.batch] {
		s.progress.Gone++
		s.settled += v.Size
	}
	s.lacking = s.lacking[s.batch:]
	return s.onward()
}

// nextOwner is the next one to ask for the batch; an error if all have answered.
func (s *Slot) nextOwner(owners *layout.Owners) (*layout.Member, error) {
	serving := s.serving(owners)
	for i := range serving {
		if m := serving[(s.turn+i)%len(serving)]; !slices.Contains(s.said, m.Incarnation) {
			return m, nil
		}
	}
	return nil, errors.New("no serving owner to copy values from")
}

// fetchFrom takes in what one owner has of the batch. What it does not have, or not
// rightly, stays in the batch.
func (s *Slot) fetchFrom(ctx context.Context, m *layout.Member) error {
	batch := s.lacking[:s.batch]
	uids := make([]uid.UID, len(batch))
	for i := range batch {
		uids[i] = batch[i].UID
	}
	var left []wire.ValueInfo
	var bad []uid.UID
	next := 0
	if err := s.parts.pace.Wait(ctx, 0); err != nil {
		return err
	}
	before := s.progress.Bytes
	defer func() { s.parts.pace.Came(0, s.progress.Bytes-before) }()
	err := s.parts.Source.Fetch(ctx, m, uids, func(_ uid.UID, size int64, r io.Reader) error {
		v := batch[next]
		kept, err := s.take(v, size, r)
		if errors.Is(err, ErrCorrupt) {
			bad, err = append(bad, v.UID), nil
		}
		if err != nil {
			return err
		}
		if next++; !kept {
			left = append(left, v)
		}
		return nil
	})
	if err == nil && next < len(batch) {
		err = fmt.Errorf("%s answered for %d of %d values", m.Name, next, len(batch))
	}
	left = append(left, batch[next:]...)
	s.lacking = s.lacking[s.batch-len(left):]
	s.batch = copy(s.lacking, left)
	for _, u := range bad {
		s.corrupt = true
		s.parts.Source.Suspect(ctx, m, u)
	}
	return err
}

// take takes in one value, and tells whether it is here now.
func (s *Slot) take(v wire.ValueInfo, size int64, r io.Reader) (kept bool, err error) {
	if size < 0 {
		return false, nil
	}
	if size != v.Size {
		return false, ErrCorrupt
	}
	if err := s.parts.Values.Take(v, size, r); err != nil {
		return false, err
	}
	s.progress.Bytes += size
	s.progress.Values++
	s.settled += size
	return true, nil
}
