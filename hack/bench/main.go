//go:build linux

// Command bench measures Seppen's nodes against a bare server on the same machine, in
// turns, and prints the ratios as Markdown. docs/performance.md explains the table.
// It is run by run.sh.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// The places where a request is answered.
const (
	bare  = "bare"
	own   = "own"   // the node that is asked has the key and the value
	other = "other" // another node has them
	three = "3x2"   // anywhere in a cluster of 3 shards × 2 copies
)

func init() { runtime.LockOSThread() } // see start

type options struct {
	bin, seppen, memory string
	rounds, seconds     int
	quick               bool
	only                *regexp.Regexp
}

// others are what this program also is, by its first argument.
var others = map[string]func(args []string) error{"copy": copying, "send": sendStream, "receive": receiveStream}

func main() {
	if len(os.Args) > 1 && others[os.Args[1]] != nil {
		if err := others[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	only := ""
	flag.StringVar(&o.bin, "bin", "", "directory with the program bare")
	flag.StringVar(&o.seppen, "seppen", "", "the program seppen")
	flag.StringVar(&o.memory, "memory-limit", "3GiB", "of each node; PUTs leave garbage for some seconds")
	flag.IntVar(&o.rounds, "rounds", 5, "runs of each target in each row")
	flag.IntVar(&o.seconds, "seconds", 1, "length of a run")
	flag.BoolVar(&o.quick, "quick", false, "a smoke run of a minute: few rows, few rounds")
	flag.StringVar(&only, "only", "", `only rows that match, such as "GET 128 B" or "PUT .* 16"`)
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(only); err != nil {
		fmt.Fprintln(os.Stderr, "bench: --only:", err)
		os.Exit(2)
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		fmt.Fprintln(os.Stderr, "bench: --bin:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err = bench(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (o *options) rows() (rows []row) {
	all := allRows()
	if o.quick {
		all, o.rounds = quickRows(), 2
	}
	for _, w := range all {
		if o.only.MatchString(w.String()) {
			rows = append(rows, w)
		}
	}
	return rows
}

func bench(ctx context.Context, o *options) error {
	rows := o.rows()
	if len(rows) == 0 {
		return errors.New("no row matches")
	}
	dir, err := os.MkdirTemp("", "seppen-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system cleans up too
	secret := []byte("a secret of the bench")
	l, err := newLoad(dir, secret)
	if err != nil {
		return err
	}
	a := &author{dir: dir, seppen: o.seppen, memory: o.memory, secret: l.secret, secretFile: filepath.Join(dir, "secret")}
	if err := os.WriteFile(a.secretFile, secret, 0o600); err != nil {
		return err
	}
	targets, err := startAll(ctx, a, o.bin)
	defer func() {
		for _, t := range targets {
			t.stop()
		}
	}()
	if err != nil {
		return err
	}
	began, results := time.Now(), []*result(nil)
	for i, w := range rows {
		fmt.Fprintf(os.Stderr, "%d of %d at %v: %s, %d connections\n", i+1, len(rows), time.Since(began).Round(time.Second), &w, w.conns)
		some := targets
		if w.equal {
			some = targets[:2]
		}
		r, err := measure(ctx, l, w, some, o.rounds, o.seconds)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	return report(os.Stdout, o, l, results, time.Since(began))
}

// startAll starts the bare server, one node, two nodes of which the one that is not
// asked has all keys and values, and a cluster as `seppen local` makes it.
func startAll(ctx context.Context, a *author, bin string) (targets []*target, err error) {
	t, err := startBare(ctx, a.dir, bin)
	if err != nil {
		return nil, err
	}
	targets = append(targets, t)
	for _, c := range []struct {
		name           string
		shards, copies int
	}{{own, 1, 1}, {other, 2, 1}, {three, 3, 2}} {
		names, err := layout.Names(c.name, c.shards, c.copies)
		if err != nil {
			return targets, err
		}
		t, err := a.cluster(ctx, c.name, names)
		if err != nil {
			return targets, err
		}
		if c.name == other {
			t.at = &names[1].Range
		}
		targets = append(targets, t)
	}
	return targets, nil
}
