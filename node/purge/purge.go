// Package purge removes entries whose values were lost. When all copies of a slot have
// died, the layout gives the slot up: its new owners begin without its values. Entries of
// other slots may still refer to these; their primaries suspend them (replica.Machine), and
// here they ask the slot's owners which values exist, and delete in order what refers to
// the others.
package purge

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

const (
	// looks is how often in a second it is looked whether there is anything to do.
	looks = 4
	// batch is how many entries are looked at between two looks at the context.
	batch = 256
)

// Machine says what is suspended, see node/replica.
type Machine interface {
	Suspended() (slots []uint8, generation uint64)
	Unordered(slot uint8) bool
	Read(epoch uint64) (Reading, error)
	Cleared(slot uint8, generation uint64)
}

// Reading tells which slots this node is the active primary of.
type Reading interface{ Has(slot uint8) bool }

// Owners reaches the owners of values and the order of entries.
type Owners interface {
	// Has asks an owner, this node among them, whether it has a value, and protects it if so.
	Has(ctx context.Context, m *layout.Member, p wire.Place) (bool, error)
	// Remove removes an entry in order if it is still of that version: a newer one may refer
	// to the same value, placed anew.
	Remove(ctx context.Context, slot uint8, key string, v kv.Version) error
}

// Entries finds what refers to values of a slot, see node/store.
type Entries interface {
	Referring(valueSlot uint8, after store.Place, limit int) ([]store.Reference, store.Place)
}

// Options are a Purger's parts.
type Options struct {
	Table   func() *layout.Table // nil without a layout
	Machine Machine
	Owners  Owners
	Entries Entries
	Second  time.Duration // the length of a second; tests have short ones
}

// Purger purges one node's entries.
type Purger struct {
	opt     Options
	removed atomic.Int64
}

// New returns a Purger; Run makes it work.
func New(opt Options) *Purger { return &Purger{opt: opt} }

// Removed is how many entries were removed so far because their values were lost.
func (p *Purger) Removed() int64 { return p.removed.Load() }

// Run works until the context ends.
func (p *Purger) Run(ctx context.Context) {
	t := time.NewTicker(p.opt.Second / looks)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			p.Round(ctx)
		}
	}
}

// Round looks at every suspended slot once. What could not be found out is left for the
// next one.
func (p *Purger) Round(ctx context.Context) {
	slots, generation := p.opt.Machine.Suspended()
	for _, slot := range slots {
		if p.slot(ctx, slot) {
			p.opt.Machine.Cleared(slot, generation)
		}
	}
}

// slot looks at all entries that refer to values of a slot, and tells whether all that are
// left refer to values that exist.
func (p *Purger) slot(ctx context.Context, slot uint8) bool {
	table := p.opt.Table()
	// What is being written may have been placed at those who died.
	if table == nil || p.opt.Machine.Unordered(slot) {
		return false
	}
	reading, err := p.opt.Machine.Read(table.Layout.Epoch)
	if err != nil {
		return false
	}
	var after store.Place
	for ctx.Err() == nil {
		refs, next := p.opt.Entries.Referring(slot, after, batch)
		if len(refs) == 0 {
			return true
		}
		after = next
		if !p.removeLost(ctx, table, reading, refs) {
			return false
		}
	}
	return false
}

// removeLost removes those of some entries whose values are lost, and tells whether it is sure of
// all of them. What it learns of a value is good for these entries only, which were there
// before it asked: a later one may refer to the value that was placed anew.
func (p *Purger) removeLost(ctx context.Context, t *layout.Table, reading Reading, refs []store.Reference) bool {
	var known uid.UID // values come together
	exists := false
	for i := range refs {
		r := &refs[i]
		if !reading.Has(r.Slot) {
			continue
		}
		if r.UID != known {
			var sure bool
			if exists, sure = p.exists(ctx, t, r); !sure {
				return false
			}
			known = r.UID
		}
		if !exists && !p.remove(ctx, r) {
			return false
		}
	}
	return true
}

// exists asks the owners of a value whether it is there. It is only if all of them have
// it: one that was copying when the last of the others died may have what another one that
// begins with it has not. sure tells that each has answered.
func (p *Purger) exists(ctx context.Context, t *layout.Table, r *store.Reference) (exists, sure bool) {
	owners := t.Owners(r.UID.Slot())
	if len(owners.Serving) == 0 {
		return false, false
	}
	have := 0
	for _, m := range owners.Serving {
		has, err := p.opt.Owners.Has(ctx, m, wire.Place{UID: r.UID, Witness: r.Slot})
		if err != nil {
			return false, false
		}
		if has {
			have++
		}
	}
	return have == len(owners.Serving), true
}

func (p *Purger) remove(ctx context.Context, r *store.Reference) bool {
	err := p.opt.Owners.Remove(ctx, r.Slot, r.Key, r.Version)
	if err == nil {
		p.removed.Add(1)
	}
	// Where it was replaced meanwhile all is well too.
	return err == nil || errors.Is(err, kv.ErrNotFound) || errors.Is(err, kv.ErrPrecondition)
}
