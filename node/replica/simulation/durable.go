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

// record is what is written at once: the layout, and which nodes there are.
type record struct {
	layout *layout.Layout
	table  *layout.Table
	names  []layout.Name
	serial uint64 // the last one that was given out
}

// durable is where records are kept: it compares and swaps, and sometimes does it without
// saying so.
type durable struct {
	sim     *Simulation
	records []*record
}

func (d *durable) current() *record {
	if len(d.records) == 0 {
		return nil
	}
	return d.records[len(d.records)-1]
}

// newest is the newest layout.
func (d *durable) newest() *layout.Table {
	if r := d.current(); r != nil {
		return r.table
	}
	return nil
}

// table is a layout's if it was written, else nil.
func (d *durable) table(l *layout.Layout) *layout.Table {
	for i := len(d.records) - 1; i >= 0; i-- {
		if d.records[i].layout == l {
			return d.records[i].table
		}
	}
	return nil
}

// read is a live read.
func (d *durable) read(t *task) (*record, error) {
	if err := d.travel(t); err != nil {
		return nil, err
	}
	r := d.current()
	return r, d.travel(t)
}

// write writes a record if the current one is still prev. It keeps the table of a layout
// that is not new.
func (d *durable) write(t *task, prev, next *record, by *decision) error {
	if err := d.travel(t); err != nil {
		return err
	}
	if d.current() != prev {
		return errConflict
	}
	if prev != nil && prev.layout == next.layout {
		next.table = prev.table
	} else {
		next.table = layout.NewTable(next.layout)
	}
	d.records = append(d.records, next)
	d.sim.truth.recorded(prev, next, by)
	if prev != nil {
		d.sim.faults.written(prev.table, next.table)
	}
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
