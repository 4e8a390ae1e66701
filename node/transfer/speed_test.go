package transfer_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eiri/seppen/api/layout"
)

// BenchmarkCopy has a node copy values of one size, and a key for each, over loopback, and
// compares the rate with what the machine allows: making uids of such values, on one core;
// bytes over one loopback connection; and both at once, over as many connections as slots
// are copied at a time, into memory that was not used before. CPU seconds are those of all
// that take part, so they say something also where others use the machine.
func BenchmarkCopy(b *testing.B) {
	for _, test := range []struct {
		size  int
		total int64
	}{{128, 64 << 20}, {4 << 10, 256 << 20}, {1 << 20, 256 << 20}} {
		b.Run(fmt.Sprint(test.size), func(b *testing.B) {
			for b.Loop() {
				from, to := newSide(b, "from"), newSide(b, "to")
				adopt(b, 1, 1, layout.Joining, from)
				from.fill(b, test.size, test.total)
				hmac := measure(func() int64 { return hashing(test.size) })
				plain := measure(func() int64 { return overLoopback(b, 1, 512<<20, func([]byte) {}, reused()) })
				alloc, free := fresh(b, test.total)
				both := measure(func() int64 {
					return overLoopback(b, 4, test.total, func(p []byte) { makeUIDs(p, test.size) }, alloc)
				})
				free()
				copying := measure(func() int64 {
					adopt(b, 2, 1, layout.Joining, from, to)
					until(b, "copying", func() bool { return to.copier.Left() == 0 })
					return to.copier.Progress().Bytes
				})
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(hmac.rate, "MB/s:hmac")
				b.ReportMetric(plain.rate, "MB/s:loopback")
				b.ReportMetric(both.rate, "MB/s:both")
				b.ReportMetric(copying.rate, "MB/s:copy")
				b.ReportMetric(both.cpu, "cpu-s/GB:both")
				b.ReportMetric(copying.cpu, "cpu-s/GB:copy")
				b.ReportMetric(copying.rate/min(hmac.rate, plain.rate), "of-min")
				b.ReportMetric(copying.rate/both.rate, "of-both")
				b.ReportMetric(both.cpu/copying.cpu, "cpu-of-both")
			}
		})
	}
}

// measured is how fast something went, and what it cost.
type measured struct{ rate, cpu float64 } // MB/s, CPU seconds for each GB

func measure(work func() int64) measured {
	start, cpu := time.Now(), cpuTime()
	bytes := float64(work())
	return measured{bytes / 1e6 / time.Since(start).Seconds(), (cpuTime() - cpu).Seconds() / (bytes / 1e9)}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// makeUIDs makes uids of values of one size that lie side by side.
func makeUIDs(p []byte, size int) int64 {
	for i := 0; i+size <= len(p); i += size {
		secret.Sum(p[i : i+size])
	}
	return int64(len(p))
}

// hashing makes uids of values that are in the cache.
func hashing(size int) (n int64) {
	for p := make([]byte, 1<<20); n < 64<<20; {
		n += makeUIDs(p, size)
	}
	return n
}

// fresh is memory as a store takes it: by pages of the system, none of them touched yet.
func fresh(b *testing.B, total int64) (alloc func(int) []byte, free func()) {
	p, err := unix.Mmap(-1, 0, int(total), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		err = unix.Madvise(p, unix.MADV_NOHUGEPAGE)
	}
	if err != nil {
		b.Fatal(err)
	}
	var used atomic.Int64
	alloc = func(n int) []byte {
		end := used.Add(int64(n))
		return p[end-int64(n) : end]
	}
	return alloc, func() {
		if err := unix.Munmap(p); err != nil {
			b.Error(err)
		}
	}
}

// reused is the same memory again and again.
func reused() func(int) []byte {
	var p []byte
	return func(n int) []byte {
		if p == nil {
			p = make([]byte, n)
		}
		return p
	}
}

// overLoopback sends bytes over some connections at a time and has each MiB of what
// arrives used.
func overLoopback(b *testing.B, conns int, total int64, use func([]byte), alloc func(int) []byte) int64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	const piece = 1 << 20
	pieces := int(total) / conns / piece
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c, err := l.Accept()
			for buf, i := make([]byte, piece), 0; i < pieces && err == nil; i++ {
				_, err = c.Write(buf)
			}
			if err != nil {
				b.Error(err)
				return
			}
			c.Close()
		})
		wg.Go(func() {
			c, err := net.Dial("tcp", l.Addr().String())
			for i := 0; i < pieces && err == nil; i++ {
				buf := alloc(piece)
				_, err = io.ReadFull(c, buf)
				use(buf)
			}
			if err != nil {
				b.Error(err)
				return
			}
			c.Close()
		})
	}
	wg.Wait()
	return int64(pieces) * int64(conns) * piece
}
