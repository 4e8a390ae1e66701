package simulation

import (
	"errors"
	"time"

	"github.com/eiri/seppen/api/layout"
)

var (
	errStorage  = errors.New("the storage did not answer")
	errConflict = errors.New("somebody else wrote before")
)

// durable is where layouts are kept: it compares and swaps, and sometimes does it without
// saying so.
type durable struct {
	sim     *Simulation
	layouts []*layout.Layout
	tables  []*layout.Table
}

func (d *durable) current() *layout.Layout {
	if len(d.layouts) == 0 {
		return nil
	}
	return d.layouts[len(d.layouts)-1]
}

func (d *durable) newest() *layout.Table {
	if len(d.tables) == 0 {
		return nil
	}
	return d.tables[len(d.tables)-1]
}

// table is a layout's if it was written, else nil.
func (d *durable) table(l *layout.Layout) *layout.Table {
	for i := len(d.layouts) - 1; i >= 0; i-- {
		if d.layouts[i] == l {
			return d.tables[i]
		}
	}
	return nil
}

// read is a live read.
func (d *durable) read(t *task) (*layout.Layout, error) {
	if err := d.travel(t); err != nil {
		return nil, err
	}
	l := d.current()
	return l, d.travel(t)
}

// write writes a layout if the current one is still prev.
func (d *durable) write(t *task, prev, next *layout.Layout) error {
	if err := d.travel(t); err != nil {
		return err
	}
	if d.current() != prev {
		return errConflict
	}
	before := d.newest()
	d.layouts = append(d.layouts, next)
	d.tables = append(d.tables, layout.NewTable(next))
	d.sim.truth.written(before, d.newest())
	return d.travel(t)
}

// travel takes a while, and sometimes does not arrive.
func (d *durable) travel(t *task) error {
	s := d.sim
	if s.network.quiet {
		t.sleep(time.Millisecond)
		return nil
	}
	t.sleep(time.Millisecond + s.some(s.profile.storage))
	if s.rng.Float64() < s.profile.storageFails {
		t.sleep(time.Second)
		return errStorage
	}
	return nil
}
