package transfer

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestBucket: whatever is taken in small parts as soon as it may be, comes evenly: in each
// second within a tenth of the limit, and in each tenth of one no more than its share and a
// little that was saved up.
func TestBucket(t *testing.T) {
	for _, limit := range []int64{64 << 10, 1 << 20, 100 << 20, 10 << 30} {
		type come struct {
			at    time.Duration
			bytes int64
		}
		var all []come
		r := rand.New(rand.NewPCG(1, uint64(limit)))
		start := time.Unix(1, 0)
		var b bucket
		b.set(limit, start)
		for now := time.Duration(0); now < 5*time.Second; {
			n := limit/share - r.Int64N(limit/share/2)
			if wait := b.take(n, start.Add(now)); wait > 0 {
				now += wait + time.Duration(r.Int64N(int64(time.Millisecond))) // a timer is late
				continue
			}
			// What was waited for is estimated; what came is known later.
			b.correct(-n/10, start.Add(now))
			all = append(all, come{now, n - n/10})
		}
		for i := range all {
			var second, tenth int64
			for _, c := range all[i:] {
				if c.at < all[i].at+time.Second {
					second += c.bytes
				}
				if c.at < all[i].at+time.Second/10 {
					tenth += c.bytes
				}
			}
			if second > limit+limit/10 || all[i].at < 4*time.Second && second < limit-limit/10 {
				t.Fatalf("limit %d: %d bytes in the second from %v", limit, second, all[i].at)
			}
			if tenth > limit/10+limit/10 {
				t.Fatalf("limit %d: %d bytes in the tenth of a second from %v", limit, tenth, all[i].at)
			}
		}
	}
}

// TestBucketChanges: a limit may come and go; what was taken too early is paid in the end.
func TestBucketChanges(t *testing.T) {
	now := time.Unix(1, 0)
	var b bucket
	if wait := b.take(1<<40, now); wait != 0 {
		t.Errorf("without a limit: %v", wait)
	}
	b.set(1000, now)
	if wait := b.take(5000, now); wait != 0 {
		t.Errorf("the first, much larger than the limit: %v", wait)
	}
	if wait := b.take(1, now); wait != 5*time.Second {
		t.Errorf("after 5 seconds' bytes: %v", wait)
	}
	b.set(10000, now.Add(time.Second))
	if wait := b.take(1, now.Add(time.Second)); wait != 400*time.Millisecond {
		t.Errorf("after 4 seconds' bytes of the old limit: %v", wait)
	}
	b.set(1000, now)
	if wait := b.take(100, now.Add(time.Hour)); wait != 0 {
		t.Errorf("after an hour: %v", wait)
	}
	if wait := b.take(1, now.Add(time.Hour)); wait != 75*time.Millisecond {
		t.Errorf("more than %d ms were saved up: %v", 1000/share, wait)
	}
	b.set(0, now.Add(time.Second))
	if wait := b.take(1<<40, now.Add(time.Second)); wait != 0 {
		t.Errorf("without a limit again: %v", wait)
	}
	b.set(1000, now.Add(time.Hour))
	if wait := b.take(100, now.Add(time.Hour)); wait != 0 {
		t.Errorf("what was taken without a limit is held against it: %v", wait)
	}
	if wait := b.take(1, now.Add(time.Hour)); wait != 100*time.Millisecond {
		t.Errorf("time without a limit was saved up: %v", wait)
	}
}
