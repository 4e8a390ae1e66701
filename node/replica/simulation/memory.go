package simulation

import (
	"fmt"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/transfer"
	"github.com/eiri/seppen/node/wire"
)

// memory is a node's store. What it does to entries and values is watched.
type memory struct {
	*store.Store
	p *process
}

// Entry implements replica.Entries. The reader may be stalled behind it.
func (m *memory) Entry(slot uint8, key string) (kv.Entry, bool) {
	e, ok := m.Store.Entry(slot, key)
	m.p.stallIfAsked()
	return e, ok
}

// Apply implements replica.Entries.
func (m *memory) Apply(slot uint8, e *kv.Entry) (prev kv.Entry, hadPrev, applied bool) {
	prev, hadPrev, applied = m.Store.Apply(slot, e)
	if applied {
		m.p.sim.trace(m.p, "applies %s", shownEntry{e})
		m.p.sim.truth.applied(slot, e)
	}
	return prev, hadPrev, applied
}

// Forget implements replica.Entries.
func (m *memory) Forget(slot uint8, key string, v kv.Version) bool {
	done := m.Store.Forget(slot, key, v)
	if done {
		m.p.sim.trace(m.p, "forgets the tombstone of %s %v", key, v)
	}
	return done
}

// Remove implements replica.Entries.
func (m *memory) Remove(slot uint8, key string, v kv.Version) bool {
	done := m.Store.Remove(slot, key, v)
	if done {
		m.p.sim.trace(m.p, "removes %s %v", key, v)
		m.p.sim.truth.changed = true
	}
	return done
}

// Clear implements replica.Entries.
func (m *memory) Clear(slot uint8) {
	m.Store.Clear(slot)
	m.p.sim.truth.changed = true
}

// Refers implements replica.Entries.
func (m *memory) Refers(u uid.UID, in *[layout.Slots]bool) (slot uint8, ok bool) {
	m.p.stallIfAsked()
	return m.Store.Refers(u, in)
}

// Free implements reclaim.Values.
func (m *memory) Free(u uid.UID, generation uint32) bool {
	done := m.Store.Free(u, generation)
	if done {
		m.p.sim.trace(m.p, "frees %s", shownValue(u))
		m.p.sim.truth.freed(m.p, u)
	}
	return done
}

// keep stores a value.
func (m *memory) keep(u uid.UID, witness uint8) {
	if _, err := m.Store.InstallBytes(u, valueBytes(u), witness); err != nil {
		panic(err)
	}
	m.p.sim.trace(m.p, "keeps %s", shownValue(u))
	m.p.placed(u)
}

// Touch implements transfer.Values.
func (m *memory) Touch(u uid.UID, witness uint8) bool {
	had := m.Store.Touch(u, witness)
	if had {
		m.p.placed(u)
	}
	return had
}

// Take implements transfer.Values.
func (m *memory) Take(v wire.ValueInfo, b []byte) error {
	if string(b) != string(valueBytes(v.UID)) {
		return fmt.Errorf("other bytes than those of %s", valueName(v.UID))
	}
	m.keep(v.UID, v.Witness)
	return nil
}

// Begin implements transfer.Values. All values are small.
func (m *memory) Begin(wire.ValueInfo) (transfer.Partial, error) { panic("a large value") }

// entries returns what a slot has, tombstones too.
func (m *memory) entries(slot uint8) (all []kv.Entry) {
	m.Store.Entries(slot, "", func(e *kv.Entry) bool {
		c := *e
		c.Key, c.ContentType = string([]byte(e.Key)), string([]byte(e.ContentType))
		all = append(all, c)
		return true
	})
	return all
}
