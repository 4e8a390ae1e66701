// Package cores shares a node's cores between clients and what can wait for them.
package cores

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// Quiet is for how long no client must have asked for anything before copying has all cores.
const Quiet = 100 * time.Millisecond

// Hands bounds how many at a time do work that can wait: as many as half of the cores, or as all
// of them while no client asks for anything. They are taken in the order in which they are
// asked for.
type Hands struct {
	clients *Clients
	cores   int

	mu      sync.Mutex
	taken   int
	waiting []chan struct{}
	count   uint64    // of requests, when it was looked at
	quiet   time.Time // no client has asked since
}

// NewHands returns hands, none of which is taken.
func NewHands(clients *Clients) *Hands {
	return &Hands{clients: clients, cores: runtime.GOMAXPROCS(0)}
}

// Take waits for a hand. Nil hands are any number.
func (h *Hands) Take() {
	if h == nil {
		return
	}
	turn := make(chan struct{})
	h.mu.Lock()
	h.waiting = append(h.waiting, turn)
	h.admit()
	h.mu.Unlock()
	<-turn
}

// Give gives a hand back.
func (h *Hands) Give() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken--
	h.admit()
}

func (h *Hands) admit() {
	for width := h.width(time.Now()); len(h.waiting) > 0 && h.taken < width; h.taken++ {
		close(h.waiting[0])
		h.waiting = slices.Delete(h.waiting, 0, 1)
	}
}

// width is how many may be taken now.
func (h *Hands) width(now time.Time) int {
	busy, count := h.clients.since(h.count)
	if h.count = count; busy {
		h.quiet = now
	}
	if now.Sub(h.quiet) < Quiet {
		return max(1, h.cores/2)
	}
	return h.cores
}
