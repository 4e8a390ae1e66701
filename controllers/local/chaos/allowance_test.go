package chaos

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limits are how fast this machine, as busy as it is now, does what copying cannot do
// without.
type limits struct {
	hashing  measured // uids of values, on one core
	loopback measured // bytes over one connection
	both     measured // bytes over as many connections as nodes use, and uids of the values among them
}

func allowance(t *testing.T, size int) (a limits) {
	t.Helper()
	timed := func(bytes int64, do func()) measured {
		began, before := time.Now(), ownTime(t)
		do()
		return measure(bytes, time.Since(began), ownTime(t)-before)
	}
	const total = 256 << 20
	a.hashing = timed(total, func() { hash(make([]byte, total/64), size, 64) })
	a.loopback = timed(4*total, func() { carry(t, 4*total, func([]byte) {}) })
	a.both = timed(total, func() {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { carry(t, total/4, func(b []byte) { hash(b, size, 1) }) })
		}
		all.Wait()
	})
	return a
}

// hash makes uids of values that lie side by side, so many times.
func hash(b []byte, size, times int) {
	for range times {
		for i := 0; i+size <= len(b); i += size {
			secret.Sum(b[i : i+size])
		}
	}
}

// carry has bytes go over a connection, and uses what arrives.
func carry(t *testing.T, total int, use func([]byte)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	const piece = 1 << 20
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
		}
		for b, sent := make([]byte, piece), 0; sent < total && err == nil; sent += piece {
			_, err = conn.Write(b)
		}
		if err != nil {
			t.Error(err)
		}
	})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	for b, got := make([]byte, piece), 0; got < total && err == nil; got += piece {
		_, err = io.ReadFull(conn, b)
		use(b)
	}
	if err != nil {
		t.Error(err)
	}
}

// ownTime is the CPU time that this process has used.
func ownTime(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// cpuTime is the CPU time that the nodes have used that live, by each of their threads.
func (c *cluster) cpuTime() (sum time.Duration) {
	c.t.Helper()
	for _, name := range c.names {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", c.registry.newest(name).pid))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, path := range threads {
			var used time.Duration
			if text, err := os.ReadFile(path); err == nil { // a thread that ended meanwhile does not count
				if _, err := fmt.Sscan(string(text), &used); err != nil {
					c.t.Fatalf("%s: %v", path, err)
				}
			}
			sum += used
		}
	}
	return sum
}
