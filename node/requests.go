package node

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/node/cores"
)

// requests are those of clients that are being answered. http.Server knows connections
// only: one on which nothing was asked yet it takes for busy, and one that it cuts off may
// still have a handler at work.
type requests struct {
	handler http.Handler
	clients *cores.Clients
	running atomic.Int64
	ended   atomic.Bool
}

// ServeHTTP implements http.Handler.
func (r *requests) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.running.Add(1)
	defer r.running.Add(-1)
	r.clients.Asked()
	defer r.clients.Answered()
	if r.ended.Load() { // looked at after running was set, as end looks at running after it set this
		panic(http.ErrAbortHandler)
	}
	r.handler.ServeHTTP(w, q)
}

// end lets no request begin from now on and waits until none is running, or until the
// context ends. It tells whether none is.
func (r *requests) end(ctx context.Context) bool {
	r.ended.Store(true)
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for r.running.Load() > 0 {
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
