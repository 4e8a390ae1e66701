package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/reclaim"
	"github.com/eiri/seppen/node/wire"
)

// reclaimer is a node's, and the task that runs it.
type asker struct {
	p *process
	t *task
}

func (p *process) newReclaimer() *reclaim.Reclaimer {
	p.asker = &asker{p: p}
	return reclaim.New(reclaim.Options{
		Self: p.id, Table: func() *layout.Table { return p.table }, Values: p.mem, Asker: p.asker,
		Second: time.Second, Now: p.clock,
	})
}

func (p *process) startFreeing() {
	p.asker.t = p.sim.spawn(p, "freeing", func(t *task) {
		for {
			t.sleep(250 * time.Millisecond)
			p.freeing.Round(context.Background())
		}
	})
}

// Refs implements reclaim.Asker.
func (a *asker) Refs(_ context.Context, m *layout.Member, asked []wire.Ref, epoch uint64) ([]int, error) {
	switch m.Incarnation {
	case a.p.id:
		answers, err := a.p.refers(a.t, asked, epoch)
		return answers.Slots, err
	case layout.ID{}:
		return nil, errors.New("a slot has no primary")
	}
	got := a.t.call(m, refs{wire.Refs{Refs: asked}, epoch}, callTimeout)
	if got.err != nil {
		return nil, got.err
	}
	a.p.stall()
	return got.body.(wire.Answers).Slots, nil
}

// Hints implements reclaim.Asker.
func (a *asker) Hints(_ context.Context, m *layout.Member, uids []uid.UID) error {
	if len(uids) == 0 {
		return nil
	}
	return a.t.call(m, hints{wire.UIDs{UIDs: uids}}, callTimeout).err
}
