package transfer

import "time"

// share is which part of a second's bytes may come at once, and may have been saved up
// before: so in any second there come at most 2/share more than the limit.
const share = 40

// bucket counts the bytes that a limit allows. What is taken may be more than there is:
// then the next one waits for longer. It is pure; the caller has the lock and the clock.
type bucket struct {
	limit int64     // bytes per second; 0: none
	level float64   // bytes that may be taken; below 0: those that were taken too early
	at    time.Time // as of when
}

// set changes the limit. What was taken too early stays taken.
func (b *bucket) set(limit int64, now time.Time) {
	b.fill(now)
	if limit <= 0 {
		limit, b.level = 0, 0
	}
	b.limit, b.at = limit, now
	b.fill(now)
}

func (b *bucket) fill(now time.Time) {
	if b.limit == 0 {
		return
	}
	b.level += now.Sub(b.at).Seconds() * float64(b.limit)
	b.level = min(b.level, float64(b.limit)/share)
	b.at = now
}

// take takes bytes and returns 0, or it takes nothing and tells how long to wait.
func (b *bucket) take(bytes int64, now time.Time) (wait time.Duration) {
	if b.limit == 0 {
		return 0
	}
	if b.fill(now); b.level < 0 {
		return max(time.Duration(-b.level/float64(b.limit)*float64(time.Second)), time.Microsecond)
	}
	b.level -= float64(bytes)
	return 0
}

// correct takes account of bytes that came beyond those taken, or of those that did not
// come if bytes is negative.
func (b *bucket) correct(bytes int64, now time.Time) {
	if b.limit > 0 {
		b.fill(now)
		b.level = min(b.level-float64(bytes), float64(b.limit)/share)
	}
}
