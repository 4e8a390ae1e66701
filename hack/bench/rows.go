//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"
)

// row is one kind of load.
type row struct {
	op    string
	size  int // bytes of a value
	conns int
	equal bool // all values are the same
}

func (w *row) String() string {
	s := fmt.Sprintf("%s %s %d", w.op, bytesText(w.size), w.conns)
	if w.equal {
		s += " equal"
	}
	return s
}

// keys is how many keys there are: few large values, so that they fit anywhere.
func (w *row) keys() int { return max(64, min(1000, 1<<26/w.size)) }

func bytesText(n int) string {
	for _, unit := range []struct {
		size int
		name string
	}{{1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

var (
	small, middle, large = 128, 4 << 10, 1 << 20
)

// allRows are the rows of a full run.
func allRows() (rows []row) {
	for _, op := range []string{http.MethodGet, http.MethodPut} {
		for _, size := range []int{small, middle, large} {
			for _, conns := range []int{1, 16, 64} {
				rows = append(rows, row{op: op, size: size, conns: conns})
			}
		}
	}
	for _, size := range []int{small, middle, large} {
		rows = append(rows, row{op: http.MethodPut, size: size, conns: 16, equal: true})
	}
	return rows
}

// quickRows are those of a smoke run.
func quickRows() (rows []row) {
	for _, op := range []string{http.MethodGet, http.MethodPut} {
		for _, size := range []int{small, large} {
			rows = append(rows, row{op: op, size: size, conns: 16})
		}
	}
	return rows
}

// measured is what came out of one row for one target.
type measured struct {
	row    *row
	target *target
	rates  []float64 // requests a second, by round
	cpu    float64   // µs of all cores for a request, on average over the row
	p50    []float64 // µs
	p99    []float64
	err    error // why the row failed
}

// result is one row with all targets, the bare server first.
type result struct {
	row  row
	by   []*measured
	hash []float64 // values a second that one core hashes, by round; only large ones
}

// measure loads the targets in turn, rounds times, and every other round in reverse.
// The row fails for a target at its first error.
func measure(ctx context.Context, l *load, w row, targets []*target, rounds, seconds int) (*result, error) {
	res := &result{row: w}
	for _, t := range targets {
		m := &measured{row: &w, target: t}
		res.by = append(res.by, m)
		m.err = l.prepare(ctx, &w, t)
		if m.err == nil {
			_, m.err = l.wrk(ctx, &w, t, 1) // warm up
		}
	}
	began, err := cpuOf(targets)
	if err != nil {
		return nil, err
	}
	requests := make([]int64, len(targets))
	for round := range rounds {
		for i := range res.by {
			if round%2 == 1 {
				i = len(res.by) - 1 - i
			}
			requests[i] += res.by[i].round(ctx, l, seconds)
		}
		if w.size == large && w.op == http.MethodPut {
			res.hash = append(res.hash, l.hashRate(w.size))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	ended, err := cpuOf(targets)
	if err != nil {
		return nil, err
	}
	for i, m := range res.by {
		m.cpu = float64((ended[i] - began[i]).Microseconds()) / float64(max(1, requests[i]))
	}
	return res, nil
}

// round is one run; it returns the number of requests.
func (m *measured) round(ctx context.Context, l *load, seconds int) int64 {
	if m.err != nil {
		return 0
	}
	r, err := l.wrk(ctx, m.row, m.target, seconds)
	if m.err = err; err != nil {
		return 0
	}
	m.rates = append(m.rates, r.rate())
	m.p50, m.p99 = append(m.p50, float64(r.P50)), append(m.p99, float64(r.P99))
	return r.Requests
}

func cpuOf(targets []*target) ([]time.Duration, error) {
	out := make([]time.Duration, len(targets))
	for i, t := range targets {
		if err := t.alive(); err != nil {
			return nil, err
		}
		var err error
		if out[i], err = t.cpu(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// goals of issue 2: the least share of the bare server's rate, 0: none.
func goal(w *row, where string) float64 {
	switch {
	case w.equal:
		return 0
	case where == own && w.op == http.MethodGet && w.size == small:
		return 0.85
	case where == own && w.op == http.MethodPut && w.size == small:
		return 0.6
	case where == own && w.op == http.MethodGet && w.size == large:
		return 0.9
	case where == other && w.op == http.MethodGet && w.size == small:
		return 0.4
	}
	return 0
}

// hashGoal is the least share of what the hash leaves of the bare server's rate that
// 1 MiB PUTs must reach.
const hashGoal = 0.9

// allowed is the rate of a server that does what the bare one does and hashes each
// value: with one connection one after the other, else on all cores.
func allowed(bare, hash float64, conns int) float64 {
	if conns > 1 {
		hash *= float64(min(conns, runtime.NumCPU()))
	}
	return 1 / (1/bare + 1/hash)
}
