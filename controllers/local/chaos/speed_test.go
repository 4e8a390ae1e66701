package chaos

import (
	"fmt"
	"testing"
	"time"
)

const (
	// enough is which part of what the machine allows copying has to reach when nothing else
	// runs. Where others want the processors, three processes that hand work to each other
	// wait more often than the one that is the measure does; atLeast, of the time or of the
	// work, is then all that can be demanded: that nothing waits for a clock.
	enough, atLeast = 0.6, 0.15
)

// A node that was killed has everything again nearly as fast as the machine can move and
// check the bytes.
func TestCopiesAgain(t *testing.T) {
	rnd := ready(t)
	c := start(t, 3, 2, false)
	w := &writers{c: c, size: 4 << 10, keys: make([]string, *megabytes<<20/(4<<10))}
	for i := range w.keys {
		w.keys[i] = fmt.Sprintf("copied/%d", i)
	}
	began := time.Now()
	w.load(rnd)
	t.Logf("%d MiB were written in %.1f s", *megabytes, time.Since(began).Seconds())
	var best, cheapest float64
	for range 3 {
		allowed := allowance(t, w.size)
		victim := rnd.IntN(3)
		before, err := c.status(victim)
		if err != nil {
			t.Fatal(err)
		}
		killed := time.Now()
		old := c.kill(victim)
		c.reborn(old)
		copied := c.copying(victim, before.ValueBytes)
		c.calm()
		again, born := time.Since(killed), c.registry.newest(old.name).born.Sub(killed)
		best, cheapest = max(best, copied.rate/allowed.both.rate), max(cheapest, allowed.both.work/copied.work)
		t.Logf("%s: %d MB in %d values are there again %.2f s after its end, %.2f s after its next process began",
			old.name, before.ValueBytes/1e6, before.Values, again.Seconds(), (again - born).Seconds())
		t.Logf("copied with %.0f MB/s; allowed are by SHA-256 %.0f, by the loopback %.0f, by both at once %.0f; that is %.2f of the lesser and %.2f of both, and %.2f by CPU time",
			copied.rate, allowed.hashing.rate, allowed.loopback.rate, allowed.both.rate,
			copied.rate/min(allowed.hashing.rate, allowed.loopback.rate), copied.rate/allowed.both.rate, allowed.both.work/copied.work)
	}
	if best < enough {
		t.Logf("less than %v: something else runs on this machine, or copying became slower", enough)
	}
	if max(best, cheapest) < atLeast {
		t.Errorf("copying reaches %.2f of what the machine allows, %.2f by CPU time", best, cheapest)
	}
}

// measured is how fast bytes were dealt with, and what work that was.
type measured struct {
	rate float64 // MB/s
	work float64 // CPU seconds for each GB, of all that take part
}

// measure is about bytes that were dealt with since a moment, when so much CPU time had
// been used as is now at that point.
func measure(bytes int64, took, work time.Duration) measured {
	return measured{float64(bytes) / 1e6 / took.Seconds(), work.Seconds() / (float64(bytes) / 1e9)}
}

// copying waits until a node has so many bytes of values, and tells how fast those in the
// middle came.
func (c *cluster) copying(node int, all int64) measured {
	c.t.Helper()
	type sample struct {
		at    time.Time
		bytes int64
		work  time.Duration
	}
	var first, last sample
	c.eventually("values are copied", func() bool {
		s, err := c.status(node)
		now := sample{time.Now(), s.ValueBytes, c.cpuTime()}
		switch {
		case err != nil || now.bytes < all/20:
		case first.bytes == 0:
			first = now
		case last.bytes < all*9/10:
			last = now
		}
		time.Sleep(4 * poll) // to ask is work, too
		return err == nil && s.ValueBytes >= all
	})
	return measure(last.bytes-first.bytes, last.at.Sub(first.at), last.work-first.work)
}
