package simulation

import (
	"errors"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/routing"
	"github.com/eiri/seppen/node/wire"
)

// retry runs a request until it ends for good, as node/router does.
func (p *process) retry(t *task, view routing.About, do func(table *layout.Table) error) error {
	var retry routing.Retry
	for {
		table := p.table
		if table == nil || table.Member(p.id) == nil && !p.retired {
			return kv.Refuse(kv.NotMember, "%s", idName(p.id))
		}
		err := do(table)
		if err == nil {
			return nil
		}
		pause, err := retry.Next(err, view(table), p.table != table, p.sim.now)
		if err != nil {
			return err
		}
		if pause > 0 {
			t.sleep(pause)
		}
	}
}

func primaryOf(t *layout.Table, slot uint8) (*layout.Member, error) {
	if m := t.Owners(slot).Primary; m != nil {
		return m, nil
	}
	return nil, kv.Refuse(kv.NoPrimary, "slot %d has none", slot)
}

// put brings the value to all its owners and has the entry ordered.
func (p *process) put(t *task, r *request, slot uint8, w *wire.Write) (done wire.Ordered, err error) {
	p.writes++
	w.ID = p.writes
	err = p.retry(t, routing.Slots(slot, w.UID.Slot()), func(table *layout.Table) error {
		m, err := primaryOf(table, slot)
		if err == nil {
			w.Ticket, err = p.ticket(t, m)
		}
		if err != nil {
			return err
		}
		w.Placed = table.Layout.Epoch
		if err := p.placeAll(t, table, wire.Place{UID: w.UID, Witness: slot}); err != nil {
			return err
		}
		p.stall()
		done, err = p.orderAt(t, r, m, slot, w)
		return err
	})
	return done, err
}

// ticket is the primary's clock, before the value is placed or the order is sent.
func (p *process) ticket(t *task, m *layout.Member) (wire.Ticket, error) {
	if m.Incarnation == p.id {
		return wire.Ticket{Incarnation: p.id, Clock: uint64(p.clock() / time.Millisecond)}, nil
	}
	a := t.call(m, ping{}, callTimeout)
	if a.err != nil {
		return wire.Ticket{}, definite(a.err)
	}
	return a.body.(wire.Ticket), nil
}

// placeAll brings a value to every owner of its slot, or has it touched there.
func (p *process) placeAll(t *task, table *layout.Table, b wire.Place) error {
	owners := table.Owners(b.UID.Slot())
	if owners.Primary == nil {
		return kv.Refuse(kv.NoPrimary, "slot %d has none", b.UID.Slot())
	}
	for _, m := range owners.Ack {
		if err := p.placeAt(t, table, m, b); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) placeAt(t *task, table *layout.Table, m *layout.Member, b wire.Place) error {
	if m.Incarnation == p.id {
		p.stall()
		p.mem.keep(b.UID, b.Witness)
		// As other owners do: whoever became one meanwhile may have asked what there is
		// before the value was stored.
		p.stall()
		if p.table.Owners(b.UID.Slot()).View > table.Layout.Epoch {
			return errMoved
		}
		return nil
	}
	if p.sim.rng.IntN(2) == 0 {
		a := t.call(m, touch{b}, callTimeout)
		if a.err != nil {
			return definite(a.err)
		}
		if a.body.(bool) {
			return nil
		}
	}
	return definite(t.call(m, b, callTimeout).err)
}

// definite is an error of something that is no harm if it was executed.
func definite(err error) error {
	if errors.Is(err, errLost) {
		return kv.Refuse(kv.Unreachable, "%v", err)
	}
	return err
}

// orderAt has a write ordered. If no answer comes, nobody knows whether it was.
func (p *process) orderAt(t *task, r *request, m *layout.Member, slot uint8, w *wire.Write) (wire.Ordered, error) {
	r.sent = true
	var done wire.Ordered
	var err error
	if m.Incarnation == p.id {
		done, err = p.order(t, slot, w, p.id)
	} else {
		a := t.call(m, order{slot, *w}, orderWait+callTimeout)
		if err = a.err; errors.Is(err, errLost) {
			err = fmt.Errorf("%w: %w", kv.ErrUnknown, err)
		} else if err == nil {
			done = a.body.(wire.Ordered)
		}
	}
	r.sent = err == nil || errors.Is(err, kv.ErrUnknown)
	return done, err
}

// remove deletes a key.
func (p *process) remove(t *task, r *request, slot uint8, w *wire.Write) error {
	p.writes++
	w.ID = p.writes
	return p.retry(t, routing.Slots(slot), func(table *layout.Table) error {
		m, err := primaryOf(table, slot)
		if err == nil {
			w.Ticket, err = p.ticket(t, m)
		}
		if err == nil {
			_, err = p.orderAt(t, r, m, slot, w)
		}
		return err
	})
}

// get reads the entry from its primary, then the value from any owner.
func (p *process) get(t *task, slot uint8, key string) (e kv.Entry, err error) {
	view := func(table *layout.Table) uint64 {
		if e.Key == "" {
			return table.View(slot)
		}
		return table.View(slot, e.UID.Slot())
	}
	err = p.retry(t, view, func(table *layout.Table) error {
		e = kv.Entry{}
		m, err := primaryOf(table, slot)
		if err != nil {
			return err
		}
		var f found
		if m.Incarnation == p.id {
			f, err = p.lookup(t, &lookup{slot, key})
		} else {
			a := t.call(m, lookup{slot, key}, callTimeout)
			if err = definite(a.err); err == nil {
				f = a.body.(found)
			}
		}
		if err != nil {
			return err
		}
		e = f.entry
		if f.value || p.mem.Has(e.UID) {
			return nil
		}
		return p.value(t, table, &e)
	})
	return e, err
}

// value looks for a value at its owners.
func (p *process) value(t *task, table *layout.Table, e *kv.Entry) error {
	return routing.Fetch(table.Owners(e.UID.Slot()), p.id, p.sim.rng.IntN(1<<16), func(m *layout.Member) error {
		return definite(t.call(m, fetchOne{e.UID}, callTimeout).err)
	})
}
