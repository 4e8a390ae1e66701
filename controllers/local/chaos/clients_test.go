package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// client makes requests until the context ends, most of them at one node. It remembers
// which values it saw, and builds on them.
func (h *history) client(ctx context.Context, id int, rnd *rand.Rand) {
	seen := make(map[string]int)
	for ctx.Err() == nil {
		node := id % len(h.c.names)
		if rnd.IntN(4) == 0 {
			node = rnd.IntN(len(h.c.names))
		}
		key := h.keys[rnd.IntN(len(h.keys))]
		in, body := h.draw(rnd, key, seen[key])
		a := h.do(id, node, in, body)
		switch {
		case !a.definite:
		case in.method == "GET":
			seen[key] = a.value
		case in.method == "PUT" && a.status < 300:
			seen[key] = in.value
		}
		time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
	}
}

// faithful reads at one node what that is the primary of, whatever happens to it: it must
// not answer with what it was.
func (h *history) faithful(ctx context.Context, node int) {
	for i := 0; ctx.Err() == nil; i++ {
		if key := h.keys[i%len(h.keys)]; h.c.primary(secret.KeySlot(key)) == node {
			h.do(reader+node, node, input{key: key, method: "GET"}, nil)
			time.Sleep(6 * time.Millisecond)
		}
	}
}

func (h *history) draw(rnd *rand.Rand, key string, seen int) (in input, body []byte) {
	in = input{key: key, method: "GET"}
	switch n := rnd.IntN(100); {
	case n < 45:
		return in, nil
	case n < 90:
		in.method = "PUT"
		in.value, body = h.values.add(rnd)
		if n >= 80 {
			in.noMatch = true
		}
	default:
		in.method = "DELETE"
	}
	if !in.noMatch && rnd.IntN(2) == 0 {
		in.match = seen // no condition, if nothing was seen
	}
	return in, body
}

// during has clients at work while something happens.
func (h *history) during(rnd *rand.Rand, something func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for i := range 3 * len(h.c.names) {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		clients.Go(func() { h.client(ctx, i, rnd) })
	}
	for i := range h.c.names {
		clients.Go(func() { h.faithful(ctx, i) })
	}
	something()
}
