package reclaim

import (
	"context"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// tell sends the hints to the owners of the values. What could not be sent is kept, up
// to a limit; the sweep covers the rest.
func (r *Reclaimer) tell(ctx context.Context, t *layout.Table) {
	for id, uids := range r.takeHints(t) {
		if id == r.opt.Self {
			for _, u := range uids {
				r.Hinted(u)
			}
			continue
		}
		m := t.Member(id)
		if m == nil {
			continue // its memory went with it
		}
		r.tellMember(ctx, m, uids)
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
	for slot, uids := range r.hints {
		for _, m := range t.Owners(slot).Ack {
			out[m.Incarnation] = append(out[m.Incarnation], uids...)
		}
	}
	clear(r.hints)
	return out
}
