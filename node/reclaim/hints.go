package reclaim

import (
	"context"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// tell sends the hints to the owners of the values. What could not be sent is kept, up
// to a limit; the sweep covers the rest.
func (r *Reclaimer) tell(ctx context.Context, t *layout.Table) {
	hints := r.takeHints(t)
	for _, u := range hints[r.opt.Self] {
		r.Hinted(u)
	}
	// Those who are no members any more took their memory with them.
	for i := range t.Layout.Members {
		if m := &t.Layout.Members[i]; m.Incarnation != r.opt.Self {
			r.tellMember(ctx, m, hints[m.Incarnation])
		}
	}
}

func (r *Reclaimer) tellMember(ctx context.Context, m *layout.Member, uids []uid.UID) {
	for len(uids) > 0 {
		n := min(batch, len(uids))
		if r.opt.Asker.Hints(ctx, m, uids[:n]) != nil {
			break
		}
		uids = uids[n:]
	}
	if len(uids) > 0 {
		r.mu.Lock()
		r.owed[m.Incarnation] = append(r.owed[m.Incarnation], uids[:min(len(uids), maxHints)]...)
		r.mu.Unlock()
	}
}

// takeHints returns what each owner is to be told.
func (r *Reclaimer) takeHints(t *layout.Table) map[layout.ID][]uid.UID {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.owed
	r.owed = make(map[layout.ID][]uid.UID)
	if len(r.hints) == 0 {
		return out
	}
	for slot := range layout.Slots {
		if len(r.hints[uint8(slot)]) == 0 {
			continue
		}
		for _, m := range t.Owners(uint8(slot)).Ack {
			out[m.Incarnation] = append(out[m.Incarnation], r.hints[uint8(slot)]...)
		}
	}
	clear(r.hints)
	return out
}
