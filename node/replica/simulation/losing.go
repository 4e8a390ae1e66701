package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/purge"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/wire"
)

// purgeMachine is a machine as node/purge sees it.
type purgeMachine struct{ *replica.Machine }

// Read implements purge.Machine.
func (m purgeMachine) Read(epoch uint64) (purge.Reading, error) { return m.Machine.Read(epoch) }

// holders are the owners of values and of entries.
type holders struct{ t *task }

// Has implements purge.Owners.
func (h holders) Has(_ context.Context, m *layout.Member, b wire.Place) (bool, error) {
	p := h.t.of
	if m.Incarnation == p.id {
		return p.mem.Touch(b.UID, b.Witness), nil
	}
	a := h.t.call(m, touch{b}, callTimeout)
	if a.err != nil {
		return false, a.err
	}
	return a.body.(bool), nil
}

// Remove implements purge.Owners. What it removes counts as a client's delete; where the
// entry is another one by now, nothing happened.
func (h holders) Remove(_ context.Context, slot uint8, name string, v kv.Version) error {
	p := h.t.of
	e, ok := p.mem.Store.Entry(slot, name)
	if !ok || e.Version != v {
		return kv.ErrPrecondition
	}
	r := &request{
		sim: p.sim, at: p, key: name, slot: slot, in: input{kind: deleteKind, match: e.UID}, call: p.sim.history.tick(),
		sent: true, then: func(output, error) {},
	}
	p.requests = append(p.requests, r)
	p.sim.truth.purges(p, &e)
	p.stall()
	op, fx := p.machine.Purge(slot, name, v, p.looked)
	p.run(fx)
	_, err := p.await(h.t, slot, op)
	p.forgetRequest(r)
	if !errors.Is(err, kv.ErrPrecondition) {
		r.end(output{}, err)
	}
	return err
}

func (p *process) startLosing() {
	p.sim.spawn(p, "losing", func(t *task) {
		purger := purge.New(purge.Options{
			Table: func() *layout.Table { return p.table }, Machine: purgeMachine{p.machine}, Owners: holders{t},
			Entries: p.mem.Store, Second: time.Second,
		})
		for {
			t.sleep(250 * time.Millisecond)
			purger.Round(context.Background())
		}
	})
}
