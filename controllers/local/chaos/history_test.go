package chaos

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what several clients did to a few keys, and when.
type history struct {
	t       *testing.T
	c       *cluster
	prefix  string // of all the keys
	keys    []string
	values  *values
	started time.Time

	mu      sync.Mutex
	ops     []porcupine.Operation
	answers map[string]int

	longest   time.Duration // that a client waited that did not give up
	longestOf string        // for what
	unknown   int           // requests of such a client whose outcome it does not know
}

// newHistory is about new keys, so that what was unknown before does not matter.
func newHistory(t *testing.T, c *cluster, prefix string) *history {
	return &history{
		t: t, c: c, prefix: prefix, keys: c.keys(prefix, 2), values: newValues(), started: time.Now(), answers: make(map[string]int),
	}
}

func (h *history) now() int64 { return int64(time.Since(h.started)) }

// do asks a node for something and keeps record of it.
func (h *history) do(client, node int, in input, body []byte) answer {
	call := h.now()
	a, text := h.ask(client, node, in, body)
	back := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[in.method+" "+text]++
	if !a.executed || in.method == "GET" && !a.definite {
		return a
	}
	out := a.output
	if !a.definite {
		out, back = output{}, math.MaxInt64 // it may happen at any later time
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: back})
	return a
}

// note enters what no client asked for, and what happened between a moment and now.
func (h *history) note(in input, since int64) {
	h.ops = append(h.ops, porcupine.Operation{ClientId: nobody, Input: in, Output: output{}, Call: since, Return: h.now()})
}

const (
	prober = 1000 * (iota + 1)
	reader
	nobody
)

// put writes a new value until it is taken, and returns how long that took.
func (h *history) put(rnd *rand.Rand, key string, node func(try int) int) time.Duration {
	h.t.Helper()
	began := time.Now()
	try := 0
	h.c.eventually("a write of "+key, func() bool {
		value, body := h.values.add(rnd)
		a := h.do(prober, node(try), input{key: key, method: "PUT", value: value}, body)
		try++
		return a.definite
	})
	return time.Since(began)
}

// end reads all at every node, judges everything, and returns what is there for good.
func (h *history) end() (etags map[string]string) {
	h.t.Helper()
	etags = make(map[string]string)
	var want []string
	for _, key := range h.keys {
		for node := range h.c.names {
			var a answer
			h.c.eventually(fmt.Sprintf("%s is read at %s", key, h.c.names[node]), func() bool {
				a = h.do(reader, node, input{key: key, method: "GET"}, nil)
				return a.definite
			})
			if node == 0 && a.status == http.StatusOK {
				want = append(want, key)
			}
			etags[key] = ""
			if a.status == http.StatusOK {
				etags[key] = h.values.uid(a.value).ETag()
			}
		}
	}
	slices.Sort(want)
	for node := range h.c.names {
		if got, err := h.c.list(node, h.prefix); err != nil || !slices.Equal(got, want) {
			h.t.Errorf("%s lists %q, %v; found are %q", h.c.names[node], got, err, want)
		}
	}
	h.judge()
	return etags
}

func (h *history) judge() {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	unknown := 0
	for i := range h.ops {
		if h.ops[i].Return == math.MaxInt64 {
			unknown++
		}
	}
	h.t.Logf("%d requests, of %d the outcome is unknown; answers: %v", len(h.ops), unknown, h.answers)
	for _, ops := range register.Partition(h.ops) {
		if got := porcupine.CheckOperationsTimeout(register, ops, patience); got != porcupine.Ok {
			h.t.Errorf("the history is not linearizable (%s):\n%s", got, tell(ops))
		}
	}
}

// tell writes a history for people, in the order of calls.
func tell(ops []porcupine.Operation) string {
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, o := range ops {
		back := "never"
		if o.Return != math.MaxInt64 {
			back = time.Duration(o.Return).String()
		}
		fmt.Fprintf(&b, "%v to %s, client %d: %s\n", time.Duration(o.Call), back, o.ClientId, register.DescribeOperation(o.Input, o.Output))
	}
	return b.String()
}

// list returns the keys that begin with a prefix.
func (c *cluster) list(node int, prefix string) ([]string, error) {
	client := http.Client{Transport: c.http.Transport, Timeout: patience}
	res, err := client.Get("http://" + c.rest(node) + "/?prefix=" + prefix)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || len(body) == 0 {
		return nil, err
	}
	return strings.Split(string(body), "\n"), nil
}
