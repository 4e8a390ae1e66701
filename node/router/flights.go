package router

import (
	"context"
	"sync"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// flights lets all who want one value at the same time share one fetch of it.
type flights struct {
	mu sync.Mutex
	by map[wanted]*flight
	wg sync.WaitGroup
}

// wanted is a value and the view of its owners: who knows of others does not wait for what
// those of before are asked.
type wanted struct {
	uid  uid.UID
	view uint64
}

// flight is one fetch under way.
type flight struct {
	waiting int // who wants it
	cancel  context.CancelFunc
	done    chan struct{}
	value   *shared
	single  kv.Value // of a value that can be read only once
	err     error
}

// do returns the value from fetch, or from a fetch of it that is under way. The fetch
// goes on for as long as anyone waits for it.
func (f *flights) do(ctx context.Context, w wanted, fetch func(context.Context) (kv.Value, error)) (kv.Value, error) {
	f.mu.Lock()
	fl := f.by[w]
	if fl == nil {
		fl = f.start(w, fetch)
	}
	fl.waiting++
	f.mu.Unlock()
	select {
	case <-fl.done:
	case <-ctx.Done():
		f.leave(w, fl)
		return nil, kv.Refuse(kv.Busy, "gave up: %v", ctx.Err())
	}
	if fl.err != nil {
		return nil, fl.err
	}
	if fl.value != nil {
		return fl.value, nil
	}
	f.mu.Lock()
	v := fl.single
	fl.single = nil
	f.mu.Unlock()
	if v == nil { // another took it: it could be read only once
		return fetch(ctx)
	}
	return v, nil
}

// start begins a fetch; the lock is held.
func (f *flights) start(w wanted, fetch func(context.Context) (kv.Value, error)) *flight {
	if f.by == nil {
		f.by = make(map[wanted]*flight)
	}
	ctx, cancel := context.WithCancel(context.Background())
	fl := &flight{cancel: cancel, done: make(chan struct{})}
	f.by[w] = fl
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		v, err := fetch(ctx)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.by[w] == fl {
			delete(f.by, w)
		}
		fl.land(v, err)
	}()
	return fl
}

// land hands the result to all who wait; the lock is held.
func (fl *flight) land(v kv.Value, err error) {
	fl.err = err
	_, once := v.(kv.WholeOnly)
	switch {
	case err != nil:
		fl.cancel()
	case fl.waiting == 0:
		v.Close()
		fl.cancel()
	case once:
		fl.single = v // its fetch goes on while it is read
	default:
		fl.cancel()
		fl.value = &shared{Value: v, left: fl.waiting}
	}
	close(fl.done)
}

// leave gives up waiting; the last one to leave ends the fetch.
func (f *flights) leave(w wanted, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-fl.done: // it landed meanwhile, with a share for the one who leaves
		if fl.value != nil {
			go fl.value.Close()
		} else if fl.single != nil {
			fl.single.Close()
			fl.single = nil
		}
		return
	default:
	}
	if fl.waiting--; fl.waiting == 0 {
		fl.cancel()
		delete(f.by, w)
	}
}

// shared is a value that several hold; the last one to close it does.
type shared struct {
	kv.Value
	mu   sync.Mutex
	left int
}

func (s *shared) Close() {
	s.mu.Lock()
	s.left--
	last := s.left == 0
	s.mu.Unlock()
	if last {
		s.Value.Close()
	}
}
