package node

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/eiri/seppen/node/kv"
)

// historyInput is one request of a client for one key.
type historyInput struct {
	key, method string
	value       int // PUT: the index of the value
	// A condition, used if given: match demands this value (any: some value), and
	// noMatch that there is none.
	match   int
	noMatch bool
}

const (
	noCondition = 0
	matchAny    = -1
)

// historyOutput is its answer; status 0 means that the outcome is unknown.
type historyOutput struct{ status, value int }

// register is a linearizable register with compare-and-set: its state is the value's
// index, 0 for none.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		by := map[string][]porcupine.Operation{}
		for _, op := range history {
			k := op.Input.(historyInput).key
			by[k] = append(by[k], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range by {
			all = append(all, ops)
		}
		return all
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		now, in, out := state.(int), input.(historyInput), output.(historyOutput)
		status, next := in.expect(now)
		if in.method == "GET" {
			return out == historyOutput{status, now}, now
		}
		return out.status == 0 || out.status == status, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v %+v", input, output) },
}

// expect is the naive register: what a request is answered and what it leaves behind.
func (in historyInput) expect(now int) (status, next int) {
	switch {
	case in.method == "GET" && now == 0:
		return 404, now
	case in.method == "GET":
		return 200, now
	case in.method == "DELETE" && now == 0:
		return 404, now
	case in.match != noCondition && (now == 0 || in.match != matchAny && in.match != now), in.noMatch && now != 0:
		return 412, now
	case in.method == "DELETE":
		return 204, 0
	case now == 0:
		return 201, in.value
	default:
		return 204, in.value
	}
}

// history is what several clients did, and when.
type history struct {
	t       *testing.T
	c       *cluster
	values  [][]byte // index 0 is none
	index   map[string]int
	started time.Time

	mu       sync.Mutex
	nodes    []*running        // those that clients ask
	ending   map[*running]bool // those that may end at any moment
	ops      []porcupine.Operation
	statuses map[int]int
	unknown  int
	hasty    []string // refusals of what the router could have waited for a little longer
}

func newHistory(t *testing.T, c *cluster) *history {
	h := &history{t: t, c: c, values: [][]byte{nil}, index: map[string]int{}, started: time.Now(), statuses: map[int]int{}}
	h.nodes, h.ending = slices.Clone(c.nodes), map[*running]bool{}
	for i, size := range []int{20, 20, 20, 5000, 70_000} {
		h.values = append(h.values, noise(byte(i), size))
		h.index[string(h.values[i+1])] = i + 1
	}
	return h
}

// client makes requests at random nodes until the context ends.
func (h *history) client(ctx context.Context, id int, keys []string) {
	rnd := rand.New(rand.NewPCG(uint64(id), 3))
	for ctx.Err() == nil && !h.t.Failed() {
		h.do(id, h.any(rnd), h.draw(rnd, keys[rnd.IntN(len(keys))]))
	}
}

func (h *history) any(rnd *rand.Rand) *running {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nodes[rnd.IntN(len(h.nodes))]
}

// ask has clients ask another node, too.
func (h *history) ask(n *running) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = append(h.nodes, n)
}

// leave has clients ask a node no more.
func (h *history) leave(n *running) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = slices.DeleteFunc(h.nodes, func(o *running) bool { return o == n })
}

// mayEnd tells that requests of a node may end with it.
func (h *history) mayEnd(n *running) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ending[n] = true
}

func (h *history) draw(rnd *rand.Rand, key string) historyInput {
	in := historyInput{key: key, method: "PUT", value: 1 + rnd.IntN(len(h.values)-1)}
	switch n := rnd.IntN(10); {
	case n < 4:
		return historyInput{key: key, method: "GET"}
	case n < 5:
		in.method, in.value = "DELETE", 0
	case n < 6:
		in.match = matchAny
	case n < 8:
		in.match = 1 + rnd.IntN(len(h.values)-1)
	case n < 9:
		in.noMatch = true
	}
	return in
}

// do makes a request and keeps it in the history unless it was certainly not executed.
func (h *history) do(client int, node *running, in historyInput) (status int) {
	var headers []string
	switch {
	case in.match == matchAny:
		headers = []string{"If-Match", "*"}
	case in.match != noCondition:
		headers = []string{"If-Match", h.c.secret.Sum(h.values[in.match]).ETag()}
	case in.noMatch:
		headers = []string{"If-None-Match", "*"}
	}
	call := time.Since(h.started)
	r, err := h.c.request(node.url, in.method, in.key, h.values[in.value], headers...)
	back := time.Since(h.started)
	out := historyOutput{status: r.status}
	h.mu.Lock()
	ends := h.ending[node]
	h.mu.Unlock()
	switch {
	case err != nil && ends && in.method == "GET":
		return 0
	case err != nil && ends:
		r.status = http.StatusGatewayTimeout // nothing is known of it
	case err != nil:
		h.t.Errorf("%s %s: %v", in.method, in.key, err)
		return 0
	case in.method == "GET" && r.status == 200:
		out.value = h.index[string(r.body)]
		if out.value == 0 || r.header.Get("ETag") != h.c.secret.Sum(r.body).ETag() {
			h.t.Errorf("GET %s: %d bytes that nobody wrote", in.key, len(r.body))
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.statuses[r.status]++
	switch {
	case r.status == http.StatusServiceUnavailable:
		if reason := kv.Reason(r.header.Get("Seppen-Reason")); back-call < time.Second || reason != kv.Moved && reason != kv.TakingOver {
			h.hasty = append(h.hasty, fmt.Sprintf("%s at %s, after %v: %s", in.method, node.cfg.Name, back-call, r.body))
		}
		return r.status // not executed
	case r.status == http.StatusGatewayTimeout && in.method != "GET":
		out.status, back = 0, math.MaxInt64 // it may happen at any later time
		h.unknown++
	case r.status >= 500:
		h.t.Errorf("%s %s: %d %s", in.method, in.key, r.status, r.body)
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: int64(call), Output: out, Return: int64(back)})
	return r.status
}

// run has clients at work while something happens to the cluster.
func (h *history) run(keys []string, meanwhile func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var clients sync.WaitGroup
	for i := range 5 {
		clients.Go(func() { h.client(ctx, i, keys) })
	}
	meanwhile()
	cancel()
	clients.Wait()
}

// end has each key accept a write again, reads it at every node, and judges it all.
// Nothing may be left under way then.
func (h *history) end(keys []string) {
	h.t.Helper()
	h.c.eventually(func() bool { return h.c.agree(keys) }, "operations under way are completed")
	for i, key := range keys {
		h.c.eventually(func() bool {
			s := h.do(90, h.c.nodes[i%len(h.c.nodes)], historyInput{key: key, method: "PUT", value: 1})
			return s == 201 || s == 204
		}, "the key accepts writes again")
		for _, node := range h.c.nodes {
			h.c.eventually(func() bool { return h.do(91, node, historyInput{key: key, method: "GET"}) == 200 }, "the key is read again")
		}
	}
	want := map[string]modelEntry{}
	for _, key := range keys {
		want[key] = modelEntry{value: h.values[1]}
	}
	if wrong := h.c.misplaced(keys, want); wrong != "" {
		h.t.Error(wrong)
	}
	for _, key := range keys {
		h.c.eventually(func() bool {
			s := h.do(92, h.c.nodes[0], historyInput{key: key, method: "DELETE"})
			return s == 204 || s == 404
		}, "the key is deleted")
	}
	defer h.c.tellLeft()
	h.c.eventually((&model{c: h.c}).tidy, "operations are complete, values without keys and tombstones are gone")
	h.judge()
}

// judge looks for an order of all requests that explains their answers.
func (h *history) judge() {
	h.t.Helper()
	h.t.Logf("%d requests, of %d the outcome is unknown; answers: %v", len(h.ops), h.unknown, h.statuses)
	if got := porcupine.CheckOperationsTimeout(register, h.ops, 20*time.Second); got != porcupine.Ok {
		h.t.Errorf("the history is not linearizable: %s", got)
	}
}

// tellLeft says what each node is left with if the test failed.
func (c *cluster) tellLeft() {
	if !c.t.Failed() {
		return
	}
	for _, n := range c.nodes {
		s, f := n.store.Stats(), n.figures()
		c.t.Logf("%s: %d keys, %d values, %d tombstones, active %v, leased %v, waiting to be freed %v",
			n.cfg.Name, s.Keys, s.Values, s.Tombstones, f["slots_active"], f["slots_leased"], f["reclaim_waiting"])
	}
}

// agree tells whether all owners of each key have the same entry.
func (c *cluster) agree(keys []string) bool {
	for _, key := range keys {
		slot := c.secret.KeySlot(key)
		var first kv.Entry
		for i, n := range c.owners(slot) {
			e, ok := n.store.Entry(slot, key)
			if !ok || e.Deleted {
				e = kv.Entry{}
			}
			if i == 0 {
				first = e
			}
			if e != first {
				return false
			}
		}
	}
	return true
}

var historyKeys = []string{"k-1", "k-2", "k-3", "k-4", "k-5"}

// Every key is a linearizable register with compare-and-set, whichever node is asked.
func TestHistory(t *testing.T) {
	for _, shape := range [][2]int{{3, 2}, {1, 3}} {
		t.Run(fmt.Sprintf("%dx%d", shape[0], shape[1]), func(t *testing.T) {
			c := startCluster(t, shape[0], shape[1], plenty, nil)
			h := newHistory(t, c)
			h.run(historyKeys, func() { <-time.After(time.Second) })
			h.end(historyKeys)
		})
	}
}

// Connections that break at any moment make requests fail, but not wrongly.
func TestHistoryWithResets(t *testing.T) {
	t.Parallel()
	c, faults := faultyCluster(t, 3, 2, nil)
	h := newHistory(t, c)
	h.run(historyKeys, func() {
		rnd := rand.New(rand.NewPCG(5, 5))
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
			time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond)
			faults[rnd.IntN(len(faults))].reset()
		}
	})
	h.end(historyKeys)
}

// A node that others can't reach for a while, be it that its connections stand still
// or that they are refused, makes writes wait or fail; nothing acknowledged is lost.
func TestHistoryWithPauses(t *testing.T) {
	for name, pause := range map[string]struct{ begin, end func(*fault) }{
		"stalled": {(*fault).stall, (*fault).resume},
		"cut":     {(*fault).cut, (*fault).mend},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, faults := faultyCluster(t, 3, 2, nil)
			h := newHistory(t, c)
			h.run(historyKeys, func() {
				for i := range 2 {
					time.Sleep(500 * time.Millisecond)
					pause.begin(faults[i])
					time.Sleep(time.Duration(1+3*i) * time.Second)
					pause.end(faults[i])
				}
				time.Sleep(time.Second)
			})
			h.end(historyKeys)
			if h.statuses[503] == 0 {
				t.Error("nothing was refused: nothing was tested")
			}
		})
	}
}
