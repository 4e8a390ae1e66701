package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// batchMost is how many bytes of values are asked for at once, and how many of a larger one: so
// few that neither side has much to do at a stretch.
const batchMost = 256 << 10

// values is how far the values of a slot were copied.
type values struct {
	listed  uid.UID          // the last one of the pages so far
	more    bool             // there are pages to come
	lacking []wire.ValueInfo // of the page, not here yet
	batch   int              // the first so many of lacking are being fetched
	large   bool             // it is one that is fetched in parts
	said    []layout.ID      // the owners that were asked for the batch and answered
	corrupt bool             // one of them sent bytes that were others
	turn    int              // which owner is asked first
	part    *part            // what is here of a value of which not all is

	size     int64 // of all values of the slot, as an owner last said; -1: not known yet
	settled  int64 // bytes of those listed that are here or gone
	progress Progress
}

// Progress is what was done for a slot, since the beginning.
type Progress struct {
	Bytes  int64 // of values that came
	Values int64 // that were copied
	Here   int64 // values listed that were here already
	Gone   int64 // values listed that no owner had any more
}

func (v *values) restart(slot uint8) {
	// Different slots ask different owners first.
	*v = values{turn: int(slot), part: v.part, size: v.size, progress: v.progress}
}

// Progress tells what was done.
func (s *Slot) Progress() Progress { return s.progress }

// Left is about how many bytes of values are still to be copied, of how many that the
// slot has. known is false until an owner was asked.
func (s *Slot) Left() (left, size int64, known bool) {
	left = max(0, s.size-s.settled-s.part.size())
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
	q := wire.SomeUIDs{Most: s.parts.pace.Part(pageMost), UIDsAfter: wire.UIDsAfter{Slot: s.number, After: s.listed}}
	var page wire.UIDPage
	err := s.paced(ctx, q.Most, func() (came int64, err error) {
		page, came, err = s.parts.Source.UIDs(ctx, m, &q)
		return came, err
	})
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
	s.said, s.corrupt = nil, false
	switch {
	case len(s.lacking) > 0:
		s.stage = fetching
	case s.more:
		s.stage = listing
	default:
		return s.finish()
	}
	return nil
}

// choose makes a batch of what is lacking: as much as may come at once, or a value that is
// larger alone.
func (s *Slot) choose() {
	most := s.parts.pace.Part(batchMost)
	s.batch = 1
	size := s.lacking[0].Size
	// What has begun to come in parts goes on so.
	s.large = size > most || s.part.is(s.lacking[0].UID)
	for !s.large && s.batch < len(s.lacking) && s.batch < wire.MaxFetchValues {
		if size += s.lacking[s.batch].Size + wire.FetchHeader; size > most {
			break
		}
		s.batch++
	}
}

// serving are the members that have everything of the slot.
func (s *Slot) serving(owners *layout.Owners) []*layout.Member {
	return slices.DeleteFunc(slices.Clone(owners.Serving), func(m *layout.Member) bool { return m.Incarnation == s.parts.Self })
}

// fetch asks one owner for what is left of the batch. What it does not have, the next
// step asks the next owner for: a copy may be dropped while others have it. What none
// has was freed meanwhile.
func (s *Slot) fetch(ctx context.Context, owners *layout.Owners) error {
	if len(s.lacking) == 0 || s.batch == 0 { // the last one failed after all that it was asked for
		s.said = nil
	}
	if len(s.lacking) == 0 {
		return s.onward()
	}
	if len(s.said) == 0 {
		s.choose()
	}
	m, err := s.nextOwner(owners)
	if err != nil {
		return err
	}
	answered := true
	if s.large {
		answered, err = s.fetchPart(ctx, m)
	} else {
		err = s.fetchBatch(ctx, m)
	}
	switch {
	case err != nil:
		s.turn++
		return err
	case !answered:
		return nil
	}
	s.said = append(s.said, m.Incarnation)
	if s.batch == 0 {
		return s.onward()
	}
	if _, err := s.nextOwner(owners); err == nil {
		return nil
	}
	return s.allSaid()
}

// allSaid ends a batch of which no owner has the rest.
func (s *Slot) allSaid() error {
	if s.corrupt {
		s.said, s.corrupt = nil, false
		return fmt.Errorf("%w: no owner has a good copy of %s", ErrCorrupt, s.lacking[0].UID)
	}
	if s.large {
		s.discard()
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
