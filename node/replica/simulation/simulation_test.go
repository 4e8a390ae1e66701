package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seeds = flag.Int("seeds", 0, "how many seeds are run; 0: as many as a test usually has")
	from  = flag.Uint64("from", 1, "the first of them")
	about = flag.String("about", "", "the flavour of all of them; empty: each has its own")
	show  = flag.String("show", "", "write what happens in the first seed to this file; - is standard output")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestSeeds runs many seeds. One that fails says how it is run alone.
func TestSeeds(t *testing.T) {
	run(t, Still, 600)
}

func run(t *testing.T, kind Kind, usual int) {
	if *show != "" {
		traced(t, *from, kind)
		return
	}
	count := *seeds
	switch {
	case count > 0:
	case testing.Short() || raced:
		count = usual / 10
	default:
		count = usual
	}
	var next atomic.Uint64
	var mu sync.Mutex
	var total tally
	started := time.Now()
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for !t.Failed() {
				i := next.Add(1) - 1
				if i >= uint64(count) {
					return
				}
				r := Run(*from+i, kind, *about, nil)
				mu.Lock()
				total.add(&r)
				mu.Unlock()
				report(t, &r)
			}
		})
	}
	all.Wait()
	t.Logf("%v in %v", &total, time.Since(started).Round(time.Millisecond))
}

func report(t *testing.T, r *Result) {
	if v := r.Failed; v != nil {
		t.Errorf("%v\nagain, with what happens: go test ./node/replica/simulation -run %s -from %d -show -", v, t.Name(), v.Seed)
	}
}

func traced(t *testing.T, seed uint64, kind Kind) {
	out := os.Stdout
	if *show != "-" {
		var err error
		if out, err = os.Create(*show); err != nil {
			t.Fatal(err)
		}
		defer out.Close()
	}
	r := Run(seed, kind, *about, func(line string) { fmt.Fprintln(out, line) })
	report(t, &r)
}

// tally is what many seeds came to.
type tally struct {
	seeds, steps int
	time         time.Duration
	counts       map[string]int
	times        map[string]time.Duration
}

func (a *tally) add(r *Result) {
	if a.counts == nil {
		a.counts, a.times = make(map[string]int), make(map[string]time.Duration)
	}
	a.seeds++
	a.steps += r.Steps
	a.time += r.Time
	for k, n := range r.Counts {
		a.counts[k] += n
	}
	for k, d := range r.Times {
		a.times[k] = max(a.times[k], d)
	}
}

func (a *tally) String() string {
	return fmt.Sprintf("%d seeds, %d steps, %v of their time; %v; at most %v", a.seeds, a.steps, a.time.Round(time.Second), a.counts, a.times)
}

// A seed replays exactly.
func TestReplay(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		var first, second []string
		kind := Kind(seed % 3)
		Run(seed, kind, "", func(line string) { first = append(first, line) })
		Run(seed, kind, "", func(line string) { second = append(second, line) })
		for i := range first {
			if i >= len(second) || first[i] != second[i] {
				t.Fatalf("seed %d, line %d:\n%s\n%s", seed, i+1, first[i], second[min(i, len(second)-1)])
			}
		}
	}
}
