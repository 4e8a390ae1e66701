package cores

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queue has goroutines ask for hands one after the other.
type queue struct {
	hands *Hands
	mu    sync.Mutex
	order []int // who has got one
	done  sync.WaitGroup
	next  int
}

func (q *queue) add(n int) {
	for range n {
		i := q.next
		q.next++
		q.done.Go(func() {
			q.hands.Take()
			q.mu.Lock()
			q.order = append(q.order, i)
			q.mu.Unlock()
		})
		synctest.Wait()
	}
}

func (q *queue) give(n int) {
	for range n {
		q.hands.Give()
	}
	synctest.Wait()
}

func (q *queue) got(t *testing.T, want int) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) != want {
		t.Errorf("%d have had a hand, want %d", len(q.order), want)
	}
	// Those who get one at the same time go on in any order.
	for i, n := range slices.Sorted(slices.Values(q.order)) {
		if i != n {
			t.Errorf("%d before %d: %v", n, i, q.order)
		}
	}
}

// While clients ask for something half of the cores are given out, all of them when nobody has
// asked for a while; in the order in which they are asked for.
func TestHands(t *testing.T) {
	cores := runtime.GOMAXPROCS(8)
	defer runtime.GOMAXPROCS(cores)
	synctest.Test(t, func(t *testing.T) {
		var clients Clients
		q := queue{hands: NewHands(&clients)}
		q.add(10)
		q.got(t, 8) // nobody has ever asked
		clients.Asked()
		q.give(3)
		q.got(t, 8) // 5 are taken yet
		q.give(2)
		q.got(t, 9)
		time.Sleep(time.Hour)
		q.give(1)
		q.got(t, 10) // it is not answered yet
		q.add(3)
		q.got(t, 10)
		clients.Answered()
		q.give(1)
		q.got(t, 11) // it was answered just now
		time.Sleep(Quiet)
		q.give(1)
		q.got(t, 13)
		clients.Asked()
		clients.Answered()
		q.give(1)
		q.add(1)
		q.got(t, 13) // between two looks somebody asked
		q.give(4)
		q.got(t, 14)
		q.done.Wait()
	})
}

// One core is always given out.
func TestOneCore(t *testing.T) {
	cores := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(cores)
	var clients Clients
	clients.Asked()
	h := NewHands(&clients)
	h.Take()
	h.Give()
}

// Who is not told of clients knows of none, and no hands are as many as one likes.
func TestNobody(t *testing.T) {
	var clients *Clients
	clients.Asked()
	clients.Answered()
	h := NewHands(clients)
	for range runtime.GOMAXPROCS(0) {
		h.Take()
	}
	h = nil
	h.Take()
	h.Give()
}
