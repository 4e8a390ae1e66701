//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report prints the tables. It returns an error if a row failed or missed its goal.
func report(w io.Writer, o *options, l *load, results []*result, took time.Duration) error {
	fmt.Fprintf(w, "%s. %d rounds of %d s each; %v in all.\n\nOne core hashes %.0f MB/s (HMAC-SHA256 over 1 MiB).\n",
		machine(), o.rounds, o.seconds, took.Round(time.Second), l.hashRate(large)*float64(large)/1e6)
	failed, missed := 0, 0
	for i, where := range []string{own, other, three} {
		fmt.Fprintf(w, "\n%s\n\n", []string{
			"The node that is asked has key and value:",
			"Another node has key and value:",
			"A cluster of 3 shards and 2 copies, keys and values anywhere:",
		}[i])
		fmt.Fprintln(w, "| op | size | conns | bare req/s | Seppen req/s | ratio (min–max) | goal | | CPU bare → Seppen, µs | p99 bare → Seppen, ms |")
		fmt.Fprintln(w, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |")
		for _, r := range results {
			line, verdict := r.line(where)
			fmt.Fprint(w, line)
			failed += btoi(verdict == isFailed)
			missed += btoi(verdict == isMiss)
		}
	}
	missed += reportHash(w, results)
	var err error
	if failed > 0 {
		err = fmt.Errorf("%d rows failed", failed)
	}
	if missed > 0 {
		err = errors.Join(err, fmt.Errorf("%d goals missed", missed))
	}
	return err
}

type verdict string

const (
	isOK     verdict = "ok"
	isMiss   verdict = "**miss**"
	isFailed verdict = "**failed**"
)

func judge(ratio, goal float64) verdict {
	switch {
	case goal == 0:
		return ""
	case ratio >= goal:
		return isOK
	}
	return isMiss
}

// line is a row's line in the table of one place.
func (r *result) line(where string) (string, verdict) {
	i := slices.IndexFunc(r.by, func(m *measured) bool { return m.target.name == where })
	if i < 0 {
		return "", ""
	}
	b, m := r.by[0], r.by[i]
	op := r.row.op
	if r.row.equal {
		op += ", equal values"
	}
	begin := fmt.Sprintf("| %s | %s | %d |", op, bytesText(r.row.size), r.row.conns)
	if err := errors.Join(b.err, m.err); err != nil {
		why := strings.Join(strings.Fields(err.Error()), " ")
		return fmt.Sprintf("%s | | | | %s %s | | |\n", begin, isFailed, why), isFailed
	}
	ratios := each(m.rates, func(i int) float64 { return m.rates[i] / b.rates[i] })
	goal := goal(&r.row, where)
	text := ""
	if goal > 0 {
		text = fmt.Sprintf("%.2f", goal)
	}
	v := judge(median(ratios), goal)
	return fmt.Sprintf("%s %.0f | %.0f | %s | %s | %s | %.0f → %.0f | %.1f → %.1f |\n", begin,
		median(b.rates), median(m.rates), spread(ratios), text, v, b.cpu, m.cpu,
		median(b.p99)/1000, median(m.p99)/1000), v
}

// reportHash compares 1 MiB PUTs with what the hash leaves of the bare server's rate.
func reportHash(w io.Writer, results []*result) (missed int) {
	begun := false
	for _, r := range results {
		if r.hash == nil || r.row.equal || r.by[0].err != nil || r.by[1].err != nil {
			continue
		}
		if !begun {
			begun = true
			fmt.Fprint(w, "\nPUT of 1 MiB against SHA-256 on the node itself; allowed is 1/(1/bare + 1/hash):\n\n"+
				"| conns | bare MB/s | hash MB/s, one core | allowed MB/s | Seppen MB/s | Seppen/allowed (min–max) | goal | |\n"+
				"| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n")
		}
		b, m := r.by[0].rates, r.by[1].rates
		allow := each(m, func(i int) float64 { return allowed(b[i], r.hash[i], r.row.conns) })
		ratios := each(m, func(i int) float64 { return m[i] / allow[i] })
		mb := float64(r.row.size) / 1e6
		v := judge(median(ratios), hashGoal)
		missed += btoi(v == isMiss)
		fmt.Fprintf(w, "| %d | %.0f | %.0f | %.0f | %.0f | %s | %.2f | %s |\n", r.row.conns,
			mb*median(b), mb*median(r.hash), mb*median(allow), mb*median(m), spread(ratios), hashGoal, v)
	}
	return missed
}

func each(like []float64, f func(i int) float64) []float64 {
	out := make([]float64, len(like))
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

func spread(of []float64) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", median(of), slices.Min(of), slices.Max(of))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// machine says where the figures come from.
func machine() string {
	model := "unknown processor"
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(b) {
		if k, v, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(k)) == "model name" {
			model = string(bytes.TrimSpace(v))
			break
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	busy, _ := os.ReadFile("/proc/loadavg")
	ours, _, _ := strings.Cut(string(busy), " ")
	wrk := "wrk"
	if out, _ := output(context.Background(), "sh", "-c", "wrk -v 2>&1 || true"); out != "" {
		if f := strings.Fields(out); len(f) > 1 {
			wrk += " " + f[1]
		}
	}
	return fmt.Sprintf("%s, %d cores; Linux %s; %s; %s; load average %s", model, runtime.NumCPU(),
		strings.TrimSpace(string(release)), runtime.Version(), wrk, ours)
}
