package chaos

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

const (
	// enough is which part of what the machine allows copying must reach, when it has
	// nothing else to do; atLeast is what must be seen on any machine at any time.
	enough, atLeast = 0.6, 0.25
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
	var best float64
	for range 3 {
		victim := rnd.IntN(3)
		before, err := c.status(victim)
		if err != nil {
			t.Fatal(err)
		}
		hashing, loopback := hashRate(w.size), loopbackRate(t)
		killed := time.Now()
		old := c.kill(victim)
		rate := c.copyRate(victim, before.ValueBytes)
		c.calm()
		again, born := time.Since(killed), c.registry.newest(old.name).born.Sub(killed)
		allowed := min(hashing, loopback)
		best = max(best, rate/allowed)
		t.Logf("%s: %d MB in %d values are there again %.2f s after its end, %.2f s after its next process began; "+
			"copied with %.0f MB/s, %.2f of what is allowed by SHA-256 with %.0f and the loopback with %.0f MB/s",
			old.name, before.ValueBytes/1e6, before.Values, again.Seconds(), (again - born).Seconds(), rate, rate/allowed, hashing, loopback)
	}
	if best < enough {
		t.Logf("less than %v: something else runs on this machine, or copying became slower", enough)
	}
	if best < atLeast {
		t.Errorf("copying reaches %.2f of what the machine allows", best)
	}
}

// copyRate waits until a node has so many bytes of values, and tells how fast those in the
// middle came, in MB/s.
func (c *cluster) copyRate(node int, all int64) float64 {
	c.t.Helper()
	type sample struct {
		at    time.Time
		bytes int64
	}
	var first, last sample
	c.eventually("values are copied", func() bool {
		s, err := c.status(node)
		now := sample{time.Now(), s.ValueBytes}
		switch {
		case err != nil || now.bytes < all/20:
		case first.bytes == 0:
			first = now
		case last.bytes < all*9/10:
			last = now
		}
		return err == nil && s.ValueBytes >= all
	})
	return float64(last.bytes-first.bytes) / 1e6 / last.at.Sub(first.at).Seconds()
}

// hashRate is how fast one core makes uids of values of a size, in MB/s.
func hashRate(size int) float64 {
	const total = 256 << 20
	value := make([]byte, size)
	began := time.Now()
	for range total / size {
		secret.Sum(value)
	}
	return total / 1e6 / time.Since(began).Seconds()
}

// loopbackRate is how fast bytes go over one connection, in MB/s.
func loopbackRate(t *testing.T) float64 {
	t.Helper()
	const total, piece = 1 << 30, 1 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	began := time.Now()
	var sender sync.WaitGroup
	sender.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for b, sent := make([]byte, piece), 0; sent < total && err == nil; sent += piece {
			_, err = conn.Write(b)
		}
		if err != nil {
			t.Error(err)
		}
	})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, piece))
	sender.Wait()
	if err != nil || n != total {
		t.Fatalf("%d bytes over the loopback, %v", n, err)
	}
	return total / 1e6 / time.Since(began).Seconds()
}
