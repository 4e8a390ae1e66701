package peers

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: so few are let in at a time, in the order in which they came; who stays too long
// waits for something else and does not hold up the others.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Service
		width := runtime.GOMAXPROCS(0)
		var mu sync.Mutex
		var order []int
		inside := func() int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return len(order)
		}
		leave := make([]chan bool, 3*width+1)
		for i := range leave {
			leave[i] = make(chan bool)
			go func() {
				done := s.enter()
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				<-leave[i]
				done()
			}()
			synctest.Wait()
		}
		if n := inside(); n != width {
			t.Errorf("%d at once", n)
		}
		for i := range width {
			leave[i] <- true
		}
		if n := inside(); n != 2*width {
			t.Errorf("%d after %d were answered", n, width)
		}
		time.Sleep(gateHold)
		if n := inside(); n != 3*width {
			t.Errorf("%d after %d waited for the network", n, width)
		}
		for i := width; i < 3*width; i++ { // those who lost their place give it back only once
			leave[i] <- true
		}
		if n := inside(); n != 3*width+1 {
			t.Errorf("%d in the end", n)
		}
		for i := 0; i < len(order); i += width { // those who get in at the same time go on in any order
			group := slices.Sorted(slices.Values(order[i:min(i+width, len(order))]))
			if group[0] != i || group[len(group)-1] != i+len(group)-1 {
				t.Fatalf("order %v", order)
			}
		}
		leave[3*width] <- true
		synctest.Wait()
		for range width { // all are free again
			defer s.enter()()
		}
	})
}

// TestManyCopy: all that members ask who copy goes through the gate, and is answered in the end.
func TestManyCopy(t *testing.T) {
	s, p, m := newServing(t)
	s.enter()() // which makes it
	for range runtime.GOMAXPROCS(0) {
		s.gate.hands.Take()
	}
	const joiners = 8
	var answered atomic.Int64
	var wg sync.WaitGroup
	for range joiners {
		for name, ask := range questions {
			wg.Go(func() {
				if err := ask(t.Context(), p, m); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				answered.Add(1)
			})
		}
	}
	time.Sleep(200 * time.Millisecond) // they would be answered by now
	if n := answered.Load(); n > 0 {
		t.Errorf("%d were answered while others had their turn", n)
	}
	for range runtime.GOMAXPROCS(0) {
		s.gate.hands.Give()
	}
	wg.Wait()
}
