package simulation

import (
	"context"
	"io"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/transfer"
	"github.com/eiri/seppen/node/wire"
)

// copySource is how a task asks the other members.
type copySource struct{ t *task }

func (c copySource) ask(m *layout.Member, body any) (any, error) {
	a := c.t.call(m, body, callTimeout)
	return a.body, a.err
}

// Entries implements transfer.Source.
func (c copySource) Entries(_ context.Context, m *layout.Member, q *wire.SomeEntries) (wire.EntryPage, int64, error) {
	b, err := c.ask(m, q.Entries)
	if err != nil {
		return wire.EntryPage{}, 0, err
	}
	c.t.of.stall() // as it waits for a hand
	return b.(wire.EntryPage), 0, nil
}

// UIDs implements transfer.Source.
func (c copySource) UIDs(_ context.Context, m *layout.Member, q *wire.SomeUIDs) (wire.UIDPage, int64, error) {
	b, err := c.ask(m, q.UIDsAfter)
	if err != nil {
		return wire.UIDPage{}, 0, err
	}
	return b.(wire.UIDPage), 0, nil
}

// Fetch implements transfer.Source.
func (c copySource) Fetch(_ context.Context, m *layout.Member, q *wire.Copy, _ int64, each func(uid.UID, int64, []byte) error) (int64, error) {
	uids := q.UIDs
	b, err := c.ask(m, fetch{uids})
	if err != nil {
		return 0, err
	}
	for i, here := range b.([]bool) {
		size := int64(-1)
		if here {
			size = int64(len(valueBytes(uids[i])))
		}
		c.t.of.stall()
		if err := each(uids[i], size, valueBytes(uids[i])); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// FetchPart implements transfer.Source. All values are small.
func (c copySource) FetchPart(context.Context, *layout.Member, *wire.Copy, int64, io.Writer) (int64, int64, error) {
	panic("a large value")
}

// Suspect implements transfer.Source.
func (c copySource) Suspect(context.Context, *layout.Member, uid.UID) {}

// startCopying copies all slots of this node again and again, as the Copier of
// node/transfer does.
func (p *process) startCopying() {
	p.sim.spawn(p, "copying", func(t *task) {
		parts := &transfer.Parts{
			Self: p.id, Table: func() *layout.Table { return p.table }, Source: copySource{t}, Machine: p.machine, Values: p.mem,
		}
		var slots []*transfer.Slot
		for _, n := range p.sim.slots {
			slots = append(slots, transfer.NewSlot(parts, n))
		}
		for {
			t.sleep(50 * time.Millisecond)
			if phase := p.phase(); phase != layout.Joining && phase != layout.Attached {
				continue
			}
			p.copyEmpty()
			for _, s := range slots {
				p.copySlot(s)
			}
		}
	})
}

func (p *process) phase() layout.Phase {
	if p.table == nil {
		return 0
	}
	if me := p.table.Member(p.id); me != nil {
		return me.Phase
	}
	return 0
}

func (p *process) copySlot(s *transfer.Slot) {
	for range 20 {
		done, err := s.Step(context.Background())
		if err != nil {
			p.sim.trace(p, "does not copy: %v", err)
			return
		}
		if done {
			return
		}
		p.stall()
	}
}

// copyEmpty copies the slots that never have anything, without asking anybody. It is not
// stalled, so it sees one layout.
func (p *process) copyEmpty() {
	me := p.table.Member(p.id)
	for n := range layout.Slots {
		slot := uint8(n)
		if !me.Name.Range.Contains(slot) || p.sim.used[slot] {
			continue
		}
		if me.Phase == layout.Joining {
			p.machine.Copied(slot)
			continue
		}
		view, ok := p.machine.OpenCopy(slot)
		if !ok {
			continue
		}
		page := wire.EntryPage{Watermark: kv.Version{View: view}}
		if p.machine.TakePage(slot, view, "", &page) == nil && p.machine.EntriesCopied(slot, view) == nil {
			_ = p.machine.ValuesCopied(slot, view) // in another view it is done again
		}
	}
}
