package routing

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
)

var (
	takingOver  = kv.Refuse(kv.TakingOver, "not yet")
	unreachable = kv.Refuse(kv.Unreachable, "x")
)

// What an attempt comes to: another one after a pause, or an end.
func TestOneRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		newer bool
		pause time.Duration
		want  error // nil: it is tried again
	}{
		"taking over":                           {takingOver, false, MinPause, nil},
		"taking over, by now there are others":  {takingOver, true, 0, nil},
		"moved":                                 {kv.Refuse(kv.Moved, "x"), false, MinPause, nil},
		"the ticket expired":                    {fmt.Errorf("x: %w", replica.ErrTicket), false, 0, nil},
		"the value was replaced":                {kv.ErrGone, false, 0, nil},
		"an owner is away":                      {unreachable, false, 0, unreachable},
		"an owner is away, and may be none now": {unreachable, true, 0, nil},
		"an owner is lost":                      {kv.Refuse(kv.OwnerLost, "x"), true, 0, kv.ErrUnavailable},
		"no primary":                            {kv.Refuse(kv.NoPrimary, "x"), true, 0, kv.ErrUnavailable},
		"it may have happened (F22)":            {kv.ErrUnknown, true, 0, kv.ErrUnknown},
		"not found":                             {kv.ErrNotFound, true, 0, kv.ErrNotFound},
	} {
		var r Retry
		pause, end := r.Next(c.err, 1, c.newer, 0)
		if pause != c.pause || !errors.Is(end, c.want) || (end == nil) != (c.want == nil) {
			t.Errorf("%s: %v %v", name, pause, end)
		}
	}
}

// layouts is what a request sees that is refused at all times.
type layouts struct {
	all time.Duration // how often there is a newer one; 0: never
	own time.Duration // how often one has other owners of its own slots
}

// lasts is for how long a request is tried that takes some time.
func (l layouts) lasts(t *testing.T, err error, took time.Duration) time.Duration {
	t.Helper()
	every := func(d, now time.Duration) uint64 {
		if d == 0 {
			return 0
		}
		return uint64(now / d)
	}
	var r Retry
	for now := time.Duration(0); now < time.Hour; {
		view, epoch := every(l.own, now), every(l.all, now)
		now += took
		pause, end := r.Next(err, view, every(l.all, now) != epoch, now)
		if end != nil {
			return now
		}
		now += pause
	}
	t.Fatal("it is tried for ever")
	return 0
}

// A request waits a second for new owners of its slots, anew with each of them; layouts that
// are about other slots do not count, and there is an end to it.
func TestPatience(t *testing.T) {
	const rtt = time.Millisecond
	for name, c := range map[string]struct {
		layouts
		err         error
		took        time.Duration
		least, most time.Duration
	}{
		"one layout":                      {layouts{}, takingOver, rtt, Patience, Patience + MaxPause + 2*rtt},
		"layouts about others":            {layouts{all: 300 * time.Millisecond}, takingOver, rtt, Patience, Patience + MaxPause + 2*rtt},
		"owners that come and go":         {layouts{all: 300 * time.Millisecond, own: 600 * time.Millisecond}, takingOver, rtt, Longest, Longest + MaxPause + 2*rtt},
		"a layout at each attempt":        {layouts{all: rtt, own: rtt}, takingOver, rtt, Longest, Longest + MaxPause + 2*rtt},
		"no ticket will do":               {layouts{}, replica.ErrTicket, rtt, Patience, Patience + MaxPause + 2*rtt},
		"no ticket of any primary":        {layouts{own: 600 * time.Millisecond}, replica.ErrTicket, rtt, Longest, Longest + MaxPause + 2*rtt},
		"a large value that expires":      {layouts{}, replica.ErrTicket, 4 * time.Second, 4 * 4 * time.Second, 4*4*time.Second + 2*MaxPause},
		"a large value, then it is moved": {layouts{}, takingOver, 4 * time.Second, 2 * 4 * time.Second, 2*4*time.Second + MaxPause},
		"gone again and again":            {layouts{}, kv.ErrGone, rtt, 4 * rtt, 4*rtt + 2*MaxPause},
	} {
		if d := c.lasts(t, c.err, c.took); d < c.least || d > c.most {
			t.Errorf("%s: tried for %v, want %v to %v", name, d, c.least, c.most)
		}
	}
}

// Pauses grow.
func TestPauses(t *testing.T) {
	var r Retry
	var got []time.Duration
	for range 6 {
		pause, _ := r.Next(takingOver, 1, false, 0)
		got = append(got, pause/time.Millisecond)
	}
	if fmt.Sprint(got) != "[5ns 10ns 20ns 40ns 50ns 50ns]" {
		t.Error(got)
	}
}
