package router

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/routing"
)

// alone is a layout of one member.
func alone(epoch, view uint64, id layout.ID) *layout.Layout {
	return &layout.Layout{
		Cluster: layout.ID{9}, Epoch: epoch, Segments: []layout.Segment{{View: view, Order: []uint16{0}}},
		Members: []layout.Member{{
			Name: layout.Name{Base: "x", Range: layout.Range{Lo: 0, Hi: 255}}, Address: "x:1", Incarnation: id, JoinEpoch: 1, Phase: layout.Serving,
		}},
	}
}

func newRouter(t *testing.T) (*Router, *member.State) {
	t.Helper()
	state := member.New(layout.Name{Base: "x", Range: layout.Range{Lo: 0, Hi: 255}}, slog.New(slog.DiscardHandler))
	r := New(state, &owner.Owner{Self: state.Incarnation()}, nil, nil)
	adopt(t, state, alone(1, 1, state.Incarnation()))
	return r, state
}

func adopt(t *testing.T, state *member.State, l *layout.Layout) {
	t.Helper()
	if err := state.Adopt(l); err != nil {
		t.Fatal(err)
	}
}

// What says that another primary takes over is waited for, for a while; what a fresh start
// cures is tried some times; all else is answered at once, above all what may have been
// executed (F22).
func TestRetry(t *testing.T) {
	takingOver, other := kv.Refuse(kv.TakingOver, "not yet"), errors.New("another")
	for name, c := range map[string]struct {
		outcomes []error // the last one for ever
		want     error
		reason   kv.Reason
		times    [2]int
		took     [2]time.Duration
	}{
		"done":                       {[]error{nil}, nil, "", [2]int{1, 1}, [2]time.Duration{}},
		"the ticket is too old":      {[]error{replica.ErrTicket, fmt.Errorf("x: %w", replica.ErrTicket), nil}, nil, "", [2]int{3, 3}, [2]time.Duration{routing.MinPause, routing.MinPause}},
		"the value was replaced":     {[]error{kv.ErrGone, nil}, nil, "", [2]int{2, 2}, [2]time.Duration{}},
		"gone again and again":       {[]error{kv.ErrGone}, kv.ErrUnavailable, kv.Busy, [2]int{routing.Attempts, routing.Attempts}, [2]time.Duration{3 * routing.MinPause, 3 * routing.MinPause}},
		"no ticket will do":          {[]error{replica.ErrTicket}, kv.ErrUnavailable, kv.Busy, [2]int{15, 40}, [2]time.Duration{routing.Patience, routing.Patience + routing.MaxPause}},
		"it takes over in a moment":  {[]error{takingOver, takingOver, nil}, nil, "", [2]int{3, 3}, [2]time.Duration{3 * routing.MinPause, 3 * routing.MinPause}},
		"it never takes over":        {[]error{takingOver}, kv.ErrUnavailable, kv.TakingOver, [2]int{15, 40}, [2]time.Duration{routing.Patience, routing.Patience + routing.MaxPause}},
		"moved, nobody knows where":  {[]error{peers.ErrMoved}, kv.ErrUnavailable, kv.Moved, [2]int{15, 40}, [2]time.Duration{routing.Patience, routing.Patience + routing.MaxPause}},
		"the owner is lost":          {[]error{kv.Refuse(kv.OwnerLost, "x")}, kv.ErrUnavailable, kv.OwnerLost, [2]int{1, 1}, [2]time.Duration{}},
		"an owner can't be reached":  {[]error{kv.Refuse(kv.Unreachable, "x")}, kv.ErrUnavailable, kv.Unreachable, [2]int{1, 1}, [2]time.Duration{routing.MinPause, routing.MinPause}},
		"cut off":                    {[]error{kv.Refuse(kv.CutOff, "x")}, kv.ErrUnavailable, kv.CutOff, [2]int{1, 1}, [2]time.Duration{}},
		"it may have been executed":  {[]error{kv.ErrUnknown}, kv.ErrUnknown, "", [2]int{1, 1}, [2]time.Duration{}},
		"no such key":                {[]error{kv.ErrNotFound}, kv.ErrNotFound, "", [2]int{1, 1}, [2]time.Duration{}},
		"precondition":               {[]error{kv.ErrPrecondition}, kv.ErrPrecondition, "", [2]int{1, 1}, [2]time.Duration{}},
		"it moves, then it's denied": {[]error{takingOver, kv.ErrNotFound}, kv.ErrNotFound, "", [2]int{2, 2}, [2]time.Duration{routing.MinPause, routing.MinPause}},
		"another error":              {[]error{other}, other, "", [2]int{1, 1}, [2]time.Duration{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := newRouter(t)
				began, times := time.Now(), 0
				err := r.retry(t.Context(), routing.Slots(0), func(*layout.Table) error {
					times++
					return c.outcomes[min(times, len(c.outcomes))-1]
				})
				if !errors.Is(err, c.want) || kv.ReasonOf(err) != c.reason {
					t.Errorf("%v, want %v %s", err, c.want, c.reason)
				}
				if took := time.Since(began); times < c.times[0] || times > c.times[1] || took < c.took[0] || took > c.took[1] {
					t.Errorf("tried %d times in %v", times, took)
				}
			})
		})
	}
}

// A layout that came meanwhile is tried at once, and each attempt is by the newest one.
func TestRetryByTheNewestLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRouter(t)
		began := time.Now()
		var epochs []uint64
		err := r.retry(t.Context(), routing.Slots(0), func(table *layout.Table) error {
			epochs = append(epochs, table.Layout.Epoch)
			if table.Layout.Epoch == 3 {
				return nil
			}
			adopt(t, state, alone(table.Layout.Epoch+1, 1, state.Incarnation()))
			return peers.ErrMoved
		})
		if err != nil || fmt.Sprint(epochs) != "[1 2 3]" || time.Since(began) != 0 {
			t.Errorf("%v by %v after %v", err, epochs, time.Since(began))
		}
	})
}

// A member that could not be reached was none any more: the newer layout comes with that, or a
// moment later.
func TestRetryWithoutAFormerMember(t *testing.T) {
	for name, late := range map[string]time.Duration{"at once": 0, "a moment later": routing.MinPause / 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, state := newRouter(t)
				err := r.retry(t.Context(), routing.Slots(0), func(table *layout.Table) error {
					if table.Layout.Epoch == 2 {
						return nil
					}
					change := func() { adopt(t, state, alone(2, 2, state.Incarnation())) }
					if late == 0 {
						change()
					} else {
						time.AfterFunc(late, change)
					}
					return kv.Refuse(kv.Unreachable, "x")
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Who has no place in a layout, or gives up, does not wait.
func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, state := newRouter(t)
		never := func(*layout.Table) error { return kv.Refuse(kv.TakingOver, "not yet") }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if err := r.retry(ctx, routing.Slots(0), never); kv.ReasonOf(err) != kv.TakingOver {
			t.Error(err)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("it ended after %v", took)
		}
		err := r.retry(t.Context(), routing.Slots(0), func(*layout.Table) error {
			adopt(t, state, alone(2, 2, layout.ID{5}))
			return peers.ErrMoved
		})
		if kv.ReasonOf(err) != kv.NotMember {
			t.Error(err)
		}
		stranger := New(member.New(layout.Name{Base: "y"}, slog.New(slog.DiscardHandler)), &owner.Owner{}, nil, nil)
		if err := stranger.retry(t.Context(), routing.Slots(0), never); kv.ReasonOf(err) != kv.NoLayout {
			t.Error(err)
		}
	})
}

// Layouts that say nothing new of a request's own slots do not make it wait longer, and others do
// not for ever.
func TestPatienceIsForOwnSlots(t *testing.T) {
	for name, c := range map[string]struct {
		view func(epoch uint64) uint64
		want time.Duration
	}{
		"others' owners change": {func(uint64) uint64 { return 1 }, routing.Patience},
		"its own owners change": {func(epoch uint64) uint64 { return epoch }, routing.Longest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, state := newRouter(t)
				began, epoch, next := time.Now(), uint64(1), time.Now()
				err := r.retry(t.Context(), routing.Slots(7), func(*layout.Table) error {
					if !time.Now().Before(next) {
						epoch, next = epoch+1, next.Add(300*time.Millisecond)
						adopt(t, state, alone(epoch, c.view(epoch), state.Incarnation()))
					}
					return kv.Refuse(kv.TakingOver, "not yet")
				})
				if took := time.Since(began); kv.ReasonOf(err) != kv.TakingOver || took < c.want || took > c.want+2*routing.MaxPause {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}
