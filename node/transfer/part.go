package transfer

import (
	"context"
	"fmt"
	"slices"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// part is what is here of a large value. It stays when an owner fails and when the view
// turns: a value is the same everywhere and always.
type part struct {
	Partial
	uid  uid.UID
	here int64
	from []*layout.Member // who sent it
}

func (p *part) is(u uid.UID) bool { return p != nil && p.uid == u }

func (p *part) size() int64 {
	if p == nil {
		return 0
	}
	return p.here
}

func (p *part) sentBy(m *layout.Member) {
	if !slices.ContainsFunc(p.from, func(o *layout.Member) bool { return o.Incarnation == m.Incarnation }) {
		p.from = append(p.from, m)
	}
}

// discard gives up what is here of a value.
func (v *values) discard() {
	if v.part != nil {
		v.part.Discard()
		v.part = nil
	}
}

// fetchPart takes in the next bytes of a large value from one owner. answered is false if the
// owner has not said all that it has to say.
func (s *Slot) fetchPart(ctx context.Context, m *layout.Member) (answered bool, err error) {
	v := s.lacking[0]
	if err := s.begin(v); err != nil {
		return false, err
	}
	if s.part.here == v.Size { // the last one failed after its last byte
		return s.complete(ctx, v)
	}
	q := wire.Copy{
		UIDs: []uid.UID{v.UID}, Offset: s.part.here, Length: min(s.parts.pace.Part(batchMost), v.Size-s.part.here),
		Forms: s.parts.meter.forms(s.parts.pace),
	}
	w := &parting{s: s}
	size := int64(0)
	err = s.paced(ctx, q.Length+wire.FetchHeader, func() (came int64, err error) {
		size, came, err = s.parts.Source.FetchPart(ctx, m, &q, v.Size, w)
		return came, err
	})
	if w.came > 0 {
		s.part.sentBy(m)
	}
	switch {
	case err != nil:
		return false, err
	case size < 0:
		return true, nil
	case size != v.Size:
		s.corrupt = true
		s.parts.Source.Suspect(ctx, m, v.UID)
		return true, nil
	case w.came < q.Length:
		return false, fmt.Errorf("%s sent %d bytes of %d", m.Name, w.came, q.Length)
	case s.part.here < v.Size:
		return false, nil
	}
	return s.complete(ctx, v)
}

// begin takes memory for a value, unless some of it is here.
func (s *Slot) begin(v wire.ValueInfo) error {
	if s.part.is(v.UID) {
		return nil
	}
	s.discard()
	p, err := s.parts.Values.Begin(v)
	if err == nil {
		s.part = &part{Partial: p, uid: v.UID}
	}
	return err
}

// complete keeps a value of which all bytes are here. Where they are not the right ones, only
// one who sent them all has answered; else it is not known whose were wrong, and all look.
func (s *Slot) complete(ctx context.Context, v wire.ValueInfo) (answered bool, err error) {
	p := s.part
	s.part = nil
	s.parts.hands.Take()
	err = p.Finish()
	s.parts.hands.Give()
	if err == nil {
		s.progress.Values++
		s.settled += v.Size
		s.lacking, s.batch = s.lacking[1:], 0
		return true, nil
	}
	for _, m := range p.from {
		s.parts.Source.Suspect(ctx, m, v.UID)
	}
	s.corrupt = true
	if len(p.from) > 1 {
		return false, fmt.Errorf("%w: %s of %d owners", err, v.UID, len(p.from))
	}
	return true, nil
}

// parting takes in bytes of a part.
type parting struct {
	s    *Slot
	came int64
}

func (w *parting) Write(b []byte) (int, error) {
	began := w.s.parts.meter.now()
	w.s.parts.hands.Take()
	n, err := w.s.part.Write(b)
	w.s.parts.hands.Give()
	w.s.worked += w.s.parts.meter.now().Sub(began)
	w.came += int64(n)
	w.s.part.here += int64(n)
	w.s.progress.Bytes += int64(n)
	return n, err
}
