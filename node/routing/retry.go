package routing

import (
	"errors"
	"time"

	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/replica"
)

// Attempts is how often a request starts again after a definite refusal that only a fresh start
// may cure: the value was replaced while it was fetched; the ticket expired, for which there is
// patience, too. What may have been executed is never tried again (F22).
const Attempts = 4

const (
	// Patience is for how long a request waits for a slot's new primary.
	Patience = time.Second
	// Longest is for how long it waits in all, however often its slots get new owners: a client
	// and the memory of what it sent wait as well.
	Longest = 5 * time.Second
	// MinPause is how long it waits before the next attempt at first.
	MinPause = 5 * time.Millisecond
	// MaxPause is how long it waits before the next attempt at last.
	MaxPause = 50 * time.Millisecond
)

// Retry is how far one request has come that is refused. What an attempt took before the first
// refusal, such as a large value that was placed, is no waiting.
type Retry struct {
	fresh   int // attempts that only a fresh start may cure
	pause   time.Duration
	refused bool
	began   time.Duration // when it was refused first
	view    uint64        // the newest by which it was refused
	since   time.Duration // when it was refused first by that
}

// Next judges how an attempt failed: the request is tried again after a pause, or ends with an
// error. view is the newest view of the slots that it is about, in the layout that the attempt went by;
// newer tells whether there is a newer layout by now.
func (r *Retry) Next(err error, view uint64, newer bool, now time.Duration) (pause time.Duration, end error) {
	switch {
	case again(err):
		r.fresh++
		if expired := r.tooLong(view, now) || errors.Is(err, kv.ErrGone); expired && r.fresh >= Attempts {
			return 0, kv.Refuse(kv.Busy, "%v, after %d attempts", err, r.fresh)
		}
		if r.fresh == 1 {
			return 0, nil
		}
		// Not even a fresh ticket will do: this node is about to learn of other owners.
	case Moved(err), newer && kv.ReasonOf(err) == kv.Unreachable: // who could not be reached may be no member any more
		if r.tooLong(view, now) {
			return 0, err
		}
	default:
		return 0, err
	}
	if newer {
		return 0, nil
	}
	r.pause = min(max(2*r.pause, MinPause), MaxPause)
	return r.pause, nil
}

// tooLong takes in a refusal. The patience begins anew with new owners of the request's own slots,
// and not with layouts that are about others.
func (r *Retry) tooLong(view uint64, now time.Duration) bool {
	if !r.refused {
		r.refused, r.began, r.view, r.since = true, now, view, now
	}
	if view > r.view {
		r.view, r.since = view, now
	}
	return now-r.since > Patience || now-r.began > Longest
}

// Moved tells whether an error says that the slot is about to have, or has, another
// primary: nothing was done, and in a moment it may be.
func Moved(err error) bool {
	reason := kv.ReasonOf(err)
	return reason == kv.Moved || reason == kv.TakingOver
}

// again tells whether an error is a definite refusal that a fresh start may cure.
func again(err error) bool { return errors.Is(err, replica.ErrTicket) || errors.Is(err, kv.ErrGone) }
