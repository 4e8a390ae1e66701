package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// fetchBatch takes in what one owner has of the batch. What it does not have, or not
// rightly, stays in the batch.
func (s *Slot) fetchBatch(ctx context.Context, m *layout.Member) error {
	batch := s.lacking[:s.batch]
	q := wire.Copy{UIDs: make([]uid.UID, len(batch)), Forms: s.parts.meter.forms(s.parts.pace)}
	most := int64(0)
	for i := range batch {
		q.UIDs[i] = batch[i].UID
		most += batch[i].Size
	}
	taking := taking{s: s}
	err := s.paced(ctx, most+int64(len(batch))*wire.FetchHeader, func() (int64, error) {
		defer taking.end()
		return s.parts.Source.Fetch(ctx, m, &q, most, taking.each)
	})
	if err == nil && taking.next < len(batch) {
		err = fmt.Errorf("%s answered for %d of %d values", m.Name, taking.next, len(batch))
	}
	left := append(taking.left, batch[taking.next:]...)
	s.lacking = s.lacking[s.batch-len(left):]
	s.batch = copy(s.lacking, left)
	for _, u := range taking.bad {
		s.corrupt = true
		s.parts.Source.Suspect(ctx, m, u)
	}
	return err
}

// taking takes in a batch.
type taking struct {
	s    *Slot
	next int              // in the batch
	left []wire.ValueInfo // of those before
	bad  []uid.UID

	busy  bool // it has taken a hand
	began time.Time
}

func (t *taking) each(_ uid.UID, size int64, b []byte) error {
	if !t.busy {
		t.busy, t.began = true, t.s.parts.meter.now()
		t.s.parts.hands.Take()
	}
	if t.next >= t.s.batch {
		return errors.New("more values than were asked for")
	}
	v := t.s.lacking[t.next]
	kept, err := t.s.take(v, size, b)
	if errors.Is(err, ErrCorrupt) {
		t.bad, err = append(t.bad, v.UID), nil
	}
	if err != nil {
		return err
	}
	if t.next++; !kept {
		t.left = append(t.left, v)
	}
	return nil
}

func (t *taking) end() {
	if t.busy {
		t.s.parts.hands.Give()
		t.s.worked += t.s.parts.meter.now().Sub(t.began)
	}
}

// take takes in one value, and tells whether it is here now.
func (s *Slot) take(v wire.ValueInfo, size int64, b []byte) (kept bool, err error) {
	if size < 0 {
		return false, nil
	}
	if size != v.Size {
		return false, ErrCorrupt
	}
	if err := s.parts.Values.Take(v, b); err != nil {
		return false, err
	}
	s.progress.Bytes += size
	s.progress.Values++
	s.settled += size
	return true, nil
}
