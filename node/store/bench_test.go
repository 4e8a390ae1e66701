package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// pair is the i-th key of 32 bytes, its entry and slot. uids are made up, as hashing
// is not what is measured, and filled in from the same numbers as the value.
func pair(i int) (slot uint8, e kv.Entry) {
	var h [32]byte
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for j := 0; j < len(h); j += 8 {
		binary.LittleEndian.PutUint64(h[j:], r.Uint64())
	}
	return uint8(r.Uint32()), kv.Entry{
		Key:  hex.EncodeToString(h[:16]),
		UID:  h,
		Size: 128, Version: kv.Version{View: 1, N: uint64(i) + 1}, Modified: int64(i),
	}
}

func fill(b testing.TB, s *Store, n int) {
	b.Helper()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			value := make([]byte, 128)
			for i := w; i < n; i += 2 {
				slot, e := pair(i)
				if _, err := s.InstallBytes(e.UID, value, slot); err != nil {
					b.Error(err)
					return
				}
				s.Apply(slot, &e)
			}
		})
	}
	wg.Wait()
}

// rss is the process's resident memory in bytes, 0 if the system does not say.
func rss() int64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var total, resident int64
	if _, err := fmt.Fscan(bytes.NewReader(text), &total, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// BenchmarkMemory fills a store with 10^6 keys of 32 bytes and values of 128, and says
// by how much more than these bytes the process grew, how long a garbage collection
// takes then, and which share of the CPU the collector has while the store is read,
// beside the share it has for the same garbage without the store.
func BenchmarkMemory(b *testing.B) {
	const pairs = 1_000_000
	for b.Loop() {
		before := rss()
		s := New(Options{})
		fill(b, s, pairs)
		st := s.Stats()
		grown := rss() - before
		b.ReportMetric(float64(grown)/pairs-160, "rss-B/pair")
		b.ReportMetric(float64(st.CellBytes)/pairs-160, "cells-B/pair")
		b.ReportMetric(float64(st.Used)/pairs-160, "pages-B/pair")
		start := time.Now()
		runtime.GC()
		b.ReportMetric(time.Since(start).Seconds()*1e3, "gc-ms")
		reads, share := gcShare(s, pairs, 5*time.Second)
		b.ReportMetric(reads/1e6, "Mreads/s")
		b.ReportMetric(100*share, "gc-%CPU")
		s.Close()
		empty := New(Options{})
		fill(b, empty, 1000)
		_, share = gcShare(empty, 1000, 5*time.Second)
		b.ReportMetric(100*share, "gc-%CPU-of-1000-pairs")
		empty.Close()
	}
}

// gcShare reads entries and values for a while, and makes garbage with each read as
// the layers above will.
func gcShare(s *Store, pairs int, d time.Duration) (readsPerSecond, share float64) {
	keys := make([]kv.Entry, 0, 1000)
	at := make([]uint8, 0, cap(keys))
	for range cap(keys) {
		slot, e := pair(rand.IntN(pairs))
		keys, at = append(keys, e), append(at, slot)
	}
	var reads atomic.Int64
	var wg sync.WaitGroup
	gc0, all0 := cpuSeconds()
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 2 {
			wg.Go(func() {
				for i := range keys {
					e, _ := s.Entry(at[i], keys[i].Key)
					v := s.Value(e.UID)
					b, _ := v.Chunk(0)
					garbage.Store(new(append(make([]byte, 0, 1024), b...)))
					v.Close()
				}
				reads.Add(int64(len(keys)))
			})
		}
		wg.Wait()
	}
	gc1, all1 := cpuSeconds()
	return float64(reads.Load()) / d.Seconds(), (gc1 - gc0) / (all1 - all0)
}

var garbage atomic.Pointer[[]byte]

func cpuSeconds() (gc, all float64) {
	runtime.GC() // the figures are brought up to date by a collection
	m := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(m)
	return m[0].Value.Float64(), m[1].Value.Float64()
}

const benchPairs = 200_000

func BenchmarkStore(b *testing.B) {
	s := New(Options{})
	defer s.Close()
	fill(b, s, benchPairs)
	keys := make([]kv.Entry, 1<<14)
	at := make([]uint8, len(keys))
	for i := range keys {
		at[i], keys[i] = pair(rand.IntN(benchPairs))
	}
	each := func(name string, f func(slot uint8, e *kv.Entry)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				f(at[i%len(at)], &keys[i%len(keys)])
			}
		})
	}
	each("Entry", func(slot uint8, e *kv.Entry) { s.Entry(slot, e.Key) })
	each("Value", func(_ uint8, e *kv.Entry) {
		v := s.Value(e.UID)
		_, _ = v.Chunk(0)
		v.Close()
	})
	each("Touch", func(slot uint8, e *kv.Entry) { s.Touch(e.UID, slot) })
	each("Refers", func(_ uint8, e *kv.Entry) { s.Refers(e.UID, nil) })
	n := uint64(benchPairs)
	each("Apply", func(slot uint8, e *kv.Entry) {
		n++
		e.Version.N = n
		s.Apply(slot, e)
	})
	value := make([]byte, 128)
	each("InstallFree", func(slot uint8, e *kv.Entry) {
		u := e.UID
		u[uid.Size-1]++
		_, _ = s.InstallBytes(u, value, slot)
		f, _ := s.Age(u)
		s.Free(u, f.Generation)
	})
	for _, limit := range []int{10, 1000} {
		each(fmt.Sprintf("List%d", limit), func(_ uint8, e *kv.Entry) {
			s.List(nil, "", e.Key, limit, func(*kv.Entry) bool { return true })
		})
	}
}

func BenchmarkInstallLarge(b *testing.B) {
	s := New(Options{})
	defer s.Close()
	body := make([]byte, 64<<20)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		st, _ := s.Stage(int64(len(body)))
		_, _ = st.Write(body)
		s.Install(uid.UID{1}, st, 0)
		s.Drop(uid.UID{1})
	}
}

func BenchmarkCompact(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := New(Options{})
		fill(b, s, benchPairs)
		for i := range benchPairs {
			if i%4 != 0 {
				slot, e := pair(i)
				s.Drop(e.UID)
				e.Version.N += benchPairs
				e.Deleted = true
				s.Apply(slot, &e)
				s.Forget(slot, e.Key, e.Version)
			}
		}
		b.StartTimer()
		b.ReportMetric(float64(s.Compact()), "pages")
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
}
