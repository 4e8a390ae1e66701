package router

import (
	"container/heap"
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/routing"
	"github.com/eiri/seppen/node/wire"
)

const (
	// listBytes bounds the pages that one list holds in memory, all nodes' together.
	listBytes = 4 << 20
	// A page grows while the list goes on: most lists are short.
	firstPage, largestPage = 128, 4096
	// listParallel is how many nodes are asked for their first page at a time.
	listParallel = 16
)

// List implements kv.Backend: it merges the entries of all primaries, page by page. If the
// owners change meanwhile it goes on behind the last key, by the new ones.
func (r *Router) List(ctx context.Context, q kv.ListQuery, yield func(*kv.Entry) error) error {
	var given error // yield's own
	count := 0
	each := func(e *kv.Entry) error {
		given = yield(e)
		count++
		q.After = e.Key
		return given
	}
	limit := q.Limit
	rest := func(t *layout.Table) error {
		if given != nil || limit > 0 && count >= limit {
			return given
		}
		if limit > 0 {
			q.Limit = limit - count
		}
		return r.list(ctx, t, q, each)
	}
	for {
		before := count
		// A list may take long: its patience is for each time that it is interrupted.
		if err := r.retry(ctx, (*layout.Table).NewestView, rest); !routing.Moved(err) || count == before || ctx.Err() != nil {
			return err
		}
	}
}

func (r *Router) list(ctx context.Context, t *layout.Table, q kv.ListQuery, yield func(*kv.Entry) error) error {
	cursors, err := r.cursors(t, q)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(listParallel)
	for _, c := range cursors {
		g.Go(func() error { return r.fill(gctx, t, c) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return r.merge(ctx, t, cursors, q.Limit, yield)
}

// cursors returns one cursor for each primary.
func (r *Router) cursors(t *layout.Table, q kv.ListQuery) ([]*cursor, error) {
	by := make(map[layout.ID]*cursor)
	var all []*cursor
	for s := range layout.Slots {
		m := t.Owners(uint8(s)).Primary
		if m == nil {
			return nil, kv.Refuse(kv.NoPrimary, "slot %d has none", s)
		}
		if by[m.Incarnation] == nil {
			c := &cursor{member: m, query: wire.List{Prefix: q.Prefix, After: q.After, Keys: firstPage}}
			by[m.Incarnation] = c
			all = append(all, c)
		}
	}
	for _, c := range all {
		c.query.Bytes = max(8<<10, min(256<<10, listBytes/len(all)))
		if q.Limit > 0 {
			c.query.Keys = min(c.query.Keys, q.Limit)
		}
	}
	return all, nil
}

// merge yields the entries of all cursors in key order.
func (r *Router) merge(ctx context.Context, t *layout.Table, cursors []*cursor, limit int, yield func(*kv.Entry) error) error {
	var h cursorHeap
	for _, c := range cursors {
		if len(c.page) > 0 {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	for n := 0; len(h) > 0 && (limit == 0 || n < limit); n++ {
		c := h[0]
		if err := yield(&c.page[0]); err != nil {
			return err
		}
		c.page = c.page[1:]
		if len(c.page) == 0 && c.more && n+1 != limit {
			if err := r.fill(ctx, t, c); err != nil {
				return err
			}
		}
		if len(c.page) == 0 {
			heap.Pop(&h)
		} else {
			heap.Fix(&h, 0)
		}
	}
	return nil
}

// fill gets a cursor's next page.
func (r *Router) fill(ctx context.Context, t *layout.Table, c *cursor) error {
	var p wire.Page
	var err error
	if c.member.Incarnation == r.owner.Self {
		p, err = r.owner.List(&c.query, t.Layout.Epoch)
	} else {
		p, err = r.peers.List(ctx, c.member, &c.query, t.Layout.Epoch)
	}
	if err != nil {
		return err
	}
	c.page, c.more = p.Entries, p.More
	if n := len(p.Entries); n > 0 {
		c.query.After = p.Entries[n-1].Key
	}
	c.query.Keys = min(2*c.query.Keys, largestPage)
	return nil
}

// cursor is how far a list has come at one primary.
type cursor struct {
	member *layout.Member
	query  wire.List
	page   []kv.Entry
	more   bool
}

type cursorHeap []*cursor

func (h cursorHeap) Len() int           { return len(h) }
func (h cursorHeap) Less(i, j int) bool { return h[i].page[0].Key < h[j].page[0].Key }
func (h cursorHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

func (h *cursorHeap) Push(x any) { *h = append(*h, x.(*cursor)) }

func (h *cursorHeap) Pop() any {
	old := *h
	c := old[len(old)-1]
	*h = old[:len(old)-1]
	return c
}
