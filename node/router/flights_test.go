package router

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source of values that counts which are open.
type fetched struct {
	kv.Value
	open *atomic.Int64
}

func (v *fetched) Close() { v.open.Add(-1) }

type once struct{ fetched }

func (*once) WholeOnly() {}

// fetcher counts fetches under way and values that were not closed.
type fetcher struct {
	open, fetches, under, most atomic.Int64
	takes                      func() time.Duration
	once                       bool
	err                        error
}

func (f *fetcher) fetch(ctx context.Context) (kv.Value, error) {
	f.fetches.Add(1)
	defer f.under.Add(-1)
	f.most.Store(max(f.most.Load(), f.under.Add(1)))
	select {
	case <-time.After(f.takes()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	f.open.Add(1)
	if f.once {
		return &once{fetched{open: &f.open}}, nil
	}
	return &fetched{open: &f.open}, nil
}

func newFetcher() *fetcher { return &fetcher{takes: func() time.Duration { return time.Second }} }

func TestFlights(t *testing.T) {
	type outcome struct {
		v   kv.Value
		err error
	}
	for name, c := range map[string]struct {
		change            func(*fetcher)
		fetches, mostOpen int64
	}{
		"shared":         {func(*fetcher) {}, 1, 1},
		"failed":         {func(f *fetcher) { f.err = errors.New("no") }, 1, 0},
		"read only once": {func(f *fetcher) { f.once = true }, 5, 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all flights
				f := newFetcher()
				c.change(f)
				got := make(chan outcome, 5)
				for range 5 {
					go func() {
						v, err := all.do(t.Context(), wanted{}, f.fetch)
						got <- outcome{v, err}
					}()
				}
				synctest.Wait()
				if n := f.under.Load(); n != 1 {
					t.Errorf("%d fetches at a time", n)
				}
				time.Sleep(10 * time.Second)
				var mostOpen int64
				for range 5 {
					o := <-got
					if !errors.Is(o.err, f.err) || (o.v == nil) != (f.err != nil) {
						t.Fatal(o)
					}
					mostOpen = max(mostOpen, f.open.Load())
					if o.v != nil {
						o.v.Close()
					}
				}
				if f.fetches.Load() != c.fetches || mostOpen != c.mostOpen || f.open.Load() != 0 || len(all.by) != 0 {
					t.Errorf("%d fetches, %d values open, %d left, %d flights", f.fetches.Load(), mostOpen, f.open.Load(), len(all.by))
				}
			})
		})
	}
}

// A fetch ends when the last one who wants it gives up, and the next one is a new one.
func TestFlightIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all flights
		f := newFetcher()
		ctx, cancel := context.WithCancel(t.Context())
		var waiters sync.WaitGroup
		for range 2 {
			waiters.Go(func() {
				if _, err := all.do(ctx, wanted{}, f.fetch); !errors.Is(err, kv.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		waiters.Wait()
		v, err := all.do(t.Context(), wanted{}, f.fetch)
		if err != nil || f.fetches.Load() != 2 || f.open.Load() != 1 {
			t.Fatal(err, f.fetches.Load(), f.open.Load())
		}
		v.Close()
	})
}

// Whoever comes, goes and gives up when: each value is closed once.
func TestFlightsLeaveNothingOpen(t *testing.T) {
	for _, once := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var all flights
			var mu sync.Mutex
			rnd := rand.New(rand.NewPCG(1, 2))
			draw := func(n int) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(rnd.IntN(n)) * time.Millisecond
			}
			f := &fetcher{once: once, takes: func() time.Duration { return draw(10) }}
			var clients sync.WaitGroup
			for range 20 {
				clients.Go(func() {
					for range 200 {
						ctx, cancel := context.WithTimeout(t.Context(), draw(15))
						v, err := all.do(ctx, wanted{uid: uid.UID{byte(draw(2))}}, f.fetch)
						if err == nil {
							time.Sleep(draw(3))
							v.Close()
						}
						cancel()
					}
				})
			}
			clients.Wait()
			time.Sleep(time.Second)
			if f.open.Load() != 0 || len(all.by) != 0 || f.fetches.Load() == 0 {
				t.Errorf("%d values open, %d flights, %d fetches", f.open.Load(), len(all.by), f.fetches.Load())
			}
			if !once && f.most.Load() > 4 { // two, and two that end because all gave up
				t.Errorf("%d fetches at a time", f.most.Load())
			}
		})
	}
}

// Who knows of other owners does not wait for those of before.
func TestFlightsOfOtherOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all flights
		stuck, cancel := context.WithCancel(t.Context())
		never := &fetcher{takes: func() time.Duration { return time.Hour }}
		var before sync.WaitGroup
		before.Go(func() {
			if _, err := all.do(stuck, wanted{view: 1}, never.fetch); !errors.Is(err, kv.ErrUnavailable) {
				t.Error(err)
			}
		})
		synctest.Wait()
		began := time.Now()
		v, err := all.do(t.Context(), wanted{view: 2}, newFetcher().fetch)
		if took := time.Since(began); err != nil || took != time.Second {
			t.Fatalf("%v after %v", err, took)
		}
		v.Close()
		cancel()
		before.Wait()
		synctest.Wait()
		if len(all.by) != 0 {
			t.Errorf("%d flights", len(all.by))
		}
	})
}
