package transfer

import "time"

// rateSeconds is over how many seconds a rate is averaged.
const rateSeconds = 10

// rate counts bytes by the second in which they came. It is pure; the caller has the lock and
// the clock.
type rate struct {
	since  time.Time // the beginning of what is counted
	second int64     // the newest one that something is known of
	bytes  [rateSeconds]int64
}

// add counts bytes.
func (r *rate) add(bytes int64, now time.Time) {
	r.move(now)
	if r.sum() == 0 {
		r.since = now
	}
	r.bytes[r.second%rateSeconds] += bytes
}

// perSecond is the rate of the last seconds, 0 if there came nothing in them.
func (r *rate) perSecond(now time.Time) int64 {
	r.move(now)
	// The oldest second that counts ended rateSeconds-1 ago and this one has just begun; what began
	// a moment ago says little.
	from := time.Unix(r.second-rateSeconds+1, 0)
	if r.since.After(from) {
		from = r.since
	}
	return int64(float64(r.sum()) / max(now.Sub(from).Seconds(), 1))
}

// move forgets the seconds that are too long ago.
func (r *rate) move(now time.Time) {
	for s := max(r.second+1, now.Unix()-rateSeconds+1); s <= now.Unix(); s++ {
		r.bytes[s%rateSeconds] = 0
	}
	r.second = max(r.second, now.Unix())
}

func (r *rate) sum() (n int64) {
	for _, b := range r.bytes {
		n += b
	}
	return n
}
