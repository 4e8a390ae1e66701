//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// copyRound is what one round measured: rates in bytes per second, CPU seconds for each GB,
// and latencies.
type copyRound struct {
	plain, checked, copied, loaded float64
	cpu                            float64
	quiet, during                  latencies
}

func (c *copyBench) round(ctx context.Context) error {
	var r copyRound
	var err error
	if r.plain, err = c.to.stream(ctx, c.sender, 0); err != nil {
		return err
	}
	if r.checked, err = c.to.stream(ctx, c.sender, c.size); err != nil {
		return err
	}
	took, cpu, err := c.nodes.copy(ctx, &c.to)
	if err != nil {
		return err
	}
	gb := float64(c.total) / 1e9
	r.copied, r.cpu = float64(c.total)/took.Seconds(), cpu.Seconds()/gb
	if err := pause(ctx, time.Second); err != nil { // the kernel gives the memory back
		return err
	}
	if r.quiet, err = c.load.during(ctx, func(ctx context.Context) error { return pause(ctx, c.quiet) }); err != nil {
		return err
	}
	r.during, err = c.load.during(ctx, func(ctx context.Context) error {
		if took, _, err = c.nodes.copy(ctx, &c.to); err != nil {
			return err
		}
		r.loaded = float64(c.total) / took.Seconds()
		return nil
	})
	if err != nil {
		return err
	}
	c.results = append(c.results, r)
	return nil
}

// during runs the load while something else goes on, which may start processes.
func (o *openLoad) during(ctx context.Context, other func(context.Context) error) (all latencies, err error) {
	warming, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if _, err := o.run(warming); err != nil {
		return nil, err
	}
	loading, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		var err error
		all, err = o.run(loading)
		ended <- err
	}()
	err = other(ctx)
	cancel()
	return all, errors.Join(err, <-ended)
}

// report prints a row for each figure: the median of the rounds, with least and most.
func (c *copyBench) report() {
	figure := func(of func(*copyRound) float64, format string) string {
		var all []float64
		for i := range c.results {
			all = append(all, of(&c.results[i]))
		}
		slices.Sort(all)
		return fmt.Sprintf(strings.ReplaceAll("X (X–X)", "X", format), all[len(all)/2], all[0], all[len(all)-1])
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	values := "noise"
	if c.text {
		values = "text"
	}
	fmt.Printf("\n%s, %d MiB of values of %d B (%s), %d rounds: median (least–most)\n\n| | |\n| --- | ---: |\n",
		c.link, c.total>>20, c.size, values, len(c.results))
	for _, row := range []struct {
		name, format string
		of           func(*copyRound) float64
	}{
		{"plain stream, MB/s", "%.0f", func(r *copyRound) float64 { return r.plain / 1e6 }},
		{"stream with an HMAC of each value, MB/s", "%.0f", func(r *copyRound) float64 { return r.checked / 1e6 }},
		{"copy, MB/s", "%.0f", func(r *copyRound) float64 { return r.copied / 1e6 }},
		{"copy : plain stream", "%.2f", func(r *copyRound) float64 { return r.copied / r.plain }},
		{"copy : stream with HMACs", "%.2f", func(r *copyRound) float64 { return r.copied / r.checked }},
		{"CPU seconds of both nodes for each GB", "%.2f", func(r *copyRound) float64 { return r.cpu }},
		{"copy under load, MB/s", "%.0f", func(r *copyRound) float64 { return r.loaded / 1e6 }},
		{"copy under load : plain stream", "%.2f", func(r *copyRound) float64 { return r.loaded / r.plain }},
		{"clients quiet: p50, ms", "%.2f", func(r *copyRound) float64 { return ms(r.quiet.of(0.5)) }},
		{"clients quiet: p99, ms", "%.2f", func(r *copyRound) float64 { return ms(r.quiet.of(0.99)) }},
		{"clients during the copy: p50, ms", "%.2f", func(r *copyRound) float64 { return ms(r.during.of(0.5)) }},
		{"clients during the copy: p99, ms", "%.2f", func(r *copyRound) float64 { return ms(r.during.of(0.99)) }},
		{"p99 during : quiet", "%.2f", func(r *copyRound) float64 { return ms(r.during.of(0.99)) / ms(r.quiet.of(0.99)) }},
	} {
		fmt.Printf("| %s | %s |\n", row.name, figure(row.of, row.format))
	}
}
