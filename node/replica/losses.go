package replica

import (
	"sync"
	"sync/atomic"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// losses are the slots that were given up with all their values. Entries that refer to
// values of theirs are suspended until it is known which of them exist.
type losses struct {
	mu         sync.Mutex
	epoch      uint64
	views      [layout.Slots]atomic.Uint64
	lost       [layout.Slots]uint64 // the layout's
	generation uint64
	count      atomic.Int32
	suspects   [layout.Slots]atomic.Bool
}

func (l *losses) adopt(t *layout.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.lost {
		o := t.Owners(uint8(i))
		l.views[i].Store(o.View)
		if o.Loss > l.lost[i] {
			l.suspectLocked(i)
		}
		// A mark that is gone counts while this layout is being adopted.
		l.lost[i] = max(l.lost[i], o.Loss)
	}
}

// adopted notes that all slots follow a layout.
func (l *losses) adopted(t *layout.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch = t.Layout.Epoch
	for i := range l.lost {
		l.lost[i] = t.Owners(uint8(i)).Loss
	}
}

func (l *losses) suspectLocked(i int) {
	l.generation++
	if !l.suspects[i].Swap(true) {
		l.count.Add(1)
	}
}

// again suspends what refers to lost values anew: a slot that is being taken over may have
// entries that its earlier primary had not looked at.
func (l *losses) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, epoch := range l.lost {
		if epoch != 0 {
			l.suspectLocked(i)
		}
	}
}

func (l *losses) any() bool { return l.count.Load() != 0 }

func (l *losses) suspended(u uid.UID) bool {
	return l.count.Load() != 0 && l.suspects[u.Slot()].Load()
}

// viewOf is the view of a value's slot.
func (l *losses) viewOf(slot uint8) uint64 { return l.views[slot].Load() }

func errSuspended(key string) error {
	return kv.Refuse(kv.ValueLost, "all copies of the value of %q may have died", key)
}

// Suspended returns the slots whose values must be looked for, and a generation for
// Cleared; nil if there are none.
func (m *Machine) Suspended() (slots []uint8, generation uint64) {
	l := &m.losses
	if !l.any() {
		return nil, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.suspects {
		if l.suspects[i].Load() {
			slots = append(slots, uint8(i))
		}
	}
	return slots, l.generation
}

// Unordered tells whether an operation is under way that brings a value of the slot.
func (m *Machine) Unordered(slot uint8) bool { return m.busy.of(slot) }

// Cleared notes that all entries of this node's slots refer to values that exist, as far as
// these are of the slot, unless there was another loss since the generation.
func (m *Machine) Cleared(slot uint8, generation uint64) {
	l := &m.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.generation == generation && l.suspects[slot].Swap(false) {
		l.count.Add(-1)
	}
}

// Purged is the epoch up to which no entry here refers to a value that was lost; 0 while
// that is not known.
func (m *Machine) Purged() uint64 {
	l := &m.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count.Load() != 0 {
		return 0
	}
	return l.epoch
}

// Lost is how many slots the layout says were given up.
func (m *Machine) Lost() (n int) {
	l := &m.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, epoch := range l.lost {
		if epoch != 0 {
			n++
		}
	}
	return n
}
