package replica

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

func TestDecide(t *testing.T) {
	has := &kv.Entry{Key: "k", UID: uid.UID{1}, Version: kv.Version{View: 1, N: 3}, Modified: 100}
	dead := &kv.Entry{Key: "k", Version: kv.Version{View: 1, N: 3}, Modified: 100, Deleted: true}
	other := kv.Tags{Given: true, UIDs: []uid.UID{{2}}}
	this := kv.Tags{Given: true, UIDs: []uid.UID{{2}, {1}}}
	star := kv.Tags{Given: true, Any: true}
	for _, c := range []struct {
		name     string
		current  *kv.Entry
		delete   bool
		cond     kv.Conditions
		now      int64
		err      error
		created  bool
		modified int64
	}{
		{"new", nil, false, kv.Conditions{}, 50, nil, true, 50},
		{"replace", has, false, kv.Conditions{}, 150, nil, false, 150},
		{"a clock behind", has, false, kv.Conditions{}, 50, nil, false, 100},
		{"after a tombstone", dead, false, kv.Conditions{}, 50, nil, true, 50},
		{"delete", has, true, kv.Conditions{}, 150, nil, false, 150},
		{"delete nothing", nil, true, kv.Conditions{}, 150, kv.ErrNotFound, false, 0},
		{"delete a tombstone", dead, true, kv.Conditions{}, 150, kv.ErrNotFound, false, 0},
		{"delete nothing if it matches", nil, true, kv.Conditions{Match: star}, 150, kv.ErrNotFound, false, 0},
		{"if match", has, false, kv.Conditions{Match: this}, 150, nil, false, 150},
		{"if match another", has, false, kv.Conditions{Match: other}, 150, kv.ErrPrecondition, false, 0},
		{"if match a tombstone", dead, false, kv.Conditions{Match: star}, 150, kv.ErrPrecondition, false, 0},
		{"if there is none", nil, false, kv.Conditions{NoMatch: star}, 150, nil, true, 150},
		{"if there is none but a tombstone", dead, false, kv.Conditions{NoMatch: star}, 150, nil, true, 150},
		{"if there is none, but there is", has, false, kv.Conditions{NoMatch: star}, 150, kv.ErrPrecondition, false, 0},
		{"unless it is this", has, false, kv.Conditions{NoMatch: this}, 150, kv.ErrPrecondition, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, founded(idP), idP)
			p := w.nodes[idP]
			p.opt.Wall = func() time.Time { return time.Unix(0, c.now) }
			p.slots[slotK].order.last = 3
			if c.current != nil {
				p.store.Apply(slotK, c.current)
			}
			write := put("k", 9)
			if c.delete {
				write = del("k")
			}
			write.Cond = c.cond
			op := p.order(write)
			is(t, p.ended(op), c.err)
			if c.err != nil {
				if p.slots[slotK].order.last != 3 {
					t.Error("a refused write took a number")
				}
				return
			}
			want := wire.Ordered{Created: c.created, Entry: kv.Entry{
				Key: "k", UID: write.UID, Size: write.Size, Version: kv.Version{View: 1, N: 4}, Modified: c.modified, Deleted: c.delete,
			}}
			got, _ := p.Result(op, w.clock)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if s := p.store.Stats(); c.delete != (s.Keys == 0) || s.Tombstones != 0 {
				t.Errorf("in memory: %d keys, %d tombstones", s.Keys, s.Tombstones)
			}
			if replaced := c.current != nil && !c.current.Deleted; replaced != (len(p.dropped) == 1) {
				t.Errorf("values that may have lost their last key: %v", p.dropped)
			}
		})
	}
}
