package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// A change is what is wanted of a cluster, in words of its file.
type change struct {
	what string
	do   func(v *varied)
}

// outage is for how long a client may have to wait for any key while nothing but what is
// planned happens, and outageNever what is looked for on a machine that may be busy with
// something else for a while: a change that waits for a lease takes longer.
const (
	outage      = time.Second
	outageNever = 2500 * time.Millisecond
)

// plans are the histories of clusters to whom nothing bad happens. The first step is how it
// begins.
var plans = map[string][]change{
	"shards 1 3 5 2, one copy": {
		{"1 shard", shaped(1, 1)}, {"3 shards", shaped(3, 1)}, {"5 shards", shaped(5, 1)}, {"2 shards", shaped(2, 1)},
	},
	"copies 1 2 3 1": {
		{"1 copy", shaped(3, 1)}, {"2 copies", shaped(3, 2)}, {"3 copies", shaped(3, 3)}, {"1 copy again", shaped(3, 1)},
	},
	"other limits, nodes that are told to stop": {
		{"2 shards", shaped(2, 1)}, {"another limit", limited}, {"a node is told to stop", told}, {"all are", toldAll}, {"another limit", limited},
	},
	"changes of mind": {
		{"3 shards", shaped(3, 1)}, {"5 shards and back at once", mindless(5)}, {"5 shards and back", mindless(5)}, {"another limit and back", limitedAndBack},
	},
}

// Whatever is planned, no acknowledged write is lost, no read is stale and no client has
// to wait for long, also with one copy.
func TestChanges(t *testing.T) {
	t.Parallel()
	rnd := ready(t)
	for name, plan := range plans {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		t.Run(name, func(t *testing.T) {
			v := vary(t)
			plan[0].do(v)
			v.begin()
			kept := v.keep(rnd)
			for i, step := range plan[1:] {
				h := newHistory(t, v.cluster, fmt.Sprintf("%d/", i))
				began := time.Now()
				h.duringChange(rnd, func() {
					time.Sleep(200 * time.Millisecond)
					step.do(v)
					v.comes()
					time.Sleep(200 * time.Millisecond)
				})
				t.Logf("%s: took %.1f s; the longest that a client waited was %.2f s", step.what, time.Since(began).Seconds(), h.longest.Seconds())
				if h.longest > outage {
					t.Logf("that is more than %v", outage)
				}
				if h.longest > outageNever {
					t.Errorf("that is more than %v: %s", outageNever, h.longestOf)
				}
				maps.Copy(kept.etags, h.end())
				kept.check(rnd)
			}
		})
	}
}

// varied is a cluster whose file is changed.
type varied struct {
	*cluster

	file           string
	shards, copies int
	limit          int // the largest value, in MiB: another one has all nodes replaced
}

func vary(t *testing.T) *varied {
	t.Helper()
	c := &cluster{t: t, copies: 1, port: freePort(t, 24), said: &journal{}, ended: make(chan struct{})}
	c.http = newClient()
	c.registry = newRegistry(t, c.way)
	t.Cleanup(c.stop)
	return &varied{cluster: c, file: filepath.Join(t.TempDir(), "cluster.yaml"), limit: 16}
}

func (v *varied) begin() {
	v.t.Helper()
	v.launch("-f", v.file)
	v.eventually("ready", func() bool { return len(v.said.find("^ready$")) > 0 })
	v.serve()
	v.cluster.names, v.cluster.ranges = v.expect()
}

// write writes the file, and has it read if the cluster runs.
func (v *varied) write() {
	v.t.Helper()
	text := fmt.Sprintf("apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata: {name: c}\nspec: {shards: %d, copies: %d, valueSizeLimit: %dMi}\n",
		v.shards, v.copies, v.limit)
	if err := os.WriteFile(v.file, []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
	if v.author != nil {
		if err := v.author.Process.Signal(syscall.SIGHUP); err != nil {
			v.t.Fatal(err)
		}
	}
}

func shaped(shards, copies int) func(*varied) {
	return func(v *varied) {
		v.shards, v.copies = shards, copies
		v.write()
	}
}

func limited(v *varied) {
	v.limit++
	v.write()
}

// told has one node end, which others have nothing of.
func told(v *varied) {
	nodes := v.registry.survivors()
	nodes[0].signal(v.t, syscall.SIGTERM)
	v.eventually(nodes[0].name+" ends", func() bool { return !nodes[0].lives() })
}

func toldAll(v *varied) {
	nodes := v.registry.survivors()
	for _, p := range nodes {
		p.signal(v.t, syscall.SIGTERM)
	}
	for _, p := range nodes {
		v.eventually(p.name+" ends", func() bool { return !p.lives() })
	}
}

// mindless wants another number of shards, and then does not.
func mindless(shards int) func(*varied) {
	return func(v *varied) {
		before := v.shards
		shaped(shards, v.copies)(v)
		time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
		shaped(before, v.copies)(v)
	}
}

func limitedAndBack(v *varied) {
	before := v.limit
	limited(v)
	time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
	v.limit = before
	v.write()
}

// expect are the names and ranges of the nodes that run.
func (v *varied) expect() (names []string, ranges []layout.Range) {
	for _, p := range v.registry.survivors() {
		name, err := layout.ParseName(p.name)
		if err != nil {
			v.t.Fatal(err)
		}
		names, ranges = append(names, p.name), append(ranges, name.Range)
	}
	return names, ranges
}

// comes waits until the cluster is as it should be, for a while.
func (v *varied) comes() {
	v.t.Helper()
	wrong, since := "", time.Now()
	defer func() {
		if wrong != "" {
			v.t.Log(wrong)
		}
	}()
	v.eventually("what was wanted", func() bool {
		if wrong = v.lacks(); wrong != "" {
			since = time.Now()
		}
		return time.Since(since) > steady
	})
	v.names, v.ranges = v.expect()
}

// steady is for how long all must be as it should be: longer than the author takes to see
// a change.
const steady = 600 * time.Millisecond

// lacks says what is not as it should be: which ranges there are, with which limit, and
// that all serve.
func (v *varied) lacks() string {
	want := make(map[layout.Range]bool)
	names, err := layout.Names("c", v.shards, v.copies)
	if err != nil {
		return err.Error()
	}
	for _, n := range names {
		want[n.Range] = true
	}
	nodes := v.registry.survivors()
	for _, p := range nodes {
		name, err := layout.ParseName(p.name)
		if err != nil || !want[name.Range] {
			return p.name + " is there"
		}
		args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.pid))
		if !strings.Contains(string(args), fmt.Sprintf("--max-value\x00%d\x00", v.limit<<20)) {
			return fmt.Sprintf("%s has another limit, %v", p.name, err)
		}
	}
	if len(nodes) != len(want) || v.service.count() != len(want) {
		return fmt.Sprintf("%d nodes run, %d are ready, %d there should be", len(nodes), v.service.count(), len(want))
	}
	return ""
}

// duringChange has clients at work that do not give up, while something happens.
func (h *history) duringChange(rnd *rand.Rand, something func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for i := range 6 {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		clients.Go(func() {
			seen := make(map[string]int)
			for ctx.Err() == nil {
				key := h.keys[rnd.IntN(len(h.keys))]
				in, body := h.draw(rnd, key, seen[key])
				if a := h.insist(ctx, i, in, body); in.method == "GET" && a.definite {
					seen[key] = a.value
				} else if in.method == "PUT" && a.definite && a.status < 300 {
					seen[key] = in.value
				}
				time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
			}
		})
	}
	something()
}

// insist asks until there is an answer, as often as Retry-After says, and takes the time.
// What nobody took, as a node ended, goes to another one at once.
func (h *history) insist(ctx context.Context, client int, in input, body []byte) (a answer) {
	began := time.Now()
	for try := 0; ctx.Err() == nil; try++ {
		a = h.do(client, client+try, in, body)
		if a.definite || a.executed {
			break
		}
		if a.status == http.StatusServiceUnavailable {
			time.Sleep(retryAfter)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if took := time.Since(began); took > h.longest {
		h.longest, h.longestOf = took, fmt.Sprintf("%v, %d at last, %v after the start", in, a.status, time.Since(h.started))
	}
	if a.executed && !a.definite {
		h.unknown++
	}
	return a
}

// retryAfter is what a node asks for in a 503.
const retryAfter = time.Second
