package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/eiri/seppen/internal/register"
)

// giveUp is how long a client waits for an answer.
const giveUp = 1500 * time.Millisecond

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
}

// newHistory is about new keys, so that what was unknown before does not matter.
func newHistory(t *testing.T, c *cluster, prefix string) *history {
	return &history{
		t: t, c: c, prefix: prefix, keys: c.keys(prefix, 2), values: newValues(), started: time.Now(), answers: make(map[string]int),
	}
}

func (h *history) now() int64 { return int64(time.Since(h.started)) }

// answer is what a client hears of one request.
type answer struct {
	register.Output
	definite bool // it was executed just so, or, if it is a read, it is true
	executed bool // it may have been executed
}

// do asks a node for something and keeps record of it.
func (h *history) do(client, node int, in register.Input, body []byte) answer {
	call := h.now()
	a, text := h.ask(node, in, body)
	back := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers[in.Method+" "+text]++
	if !a.executed || in.Method == "GET" && !a.definite {
		return a
	}
	out := a.Output
	if !a.definite {
		out, back = register.Output{}, math.MaxInt64 // it may happen at any later time
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: back})
	return a
}

// ask makes a request and understands the answer. A HEAD is a GET here, by chance.
func (h *history) ask(node int, in register.Input, body []byte) (a answer, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	method := in.Method
	if method == "GET" && rand.IntN(4) == 0 {
		method = "HEAD"
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.c.rest(node)+"/"+in.Key, bytes.NewReader(body))
	if err != nil {
		h.t.Error(err)
		return a, ""
	}
	switch {
	case in.Match == register.MatchAny:
		req.Header.Set("If-Match", "*")
	case in.Match != register.NoCondition:
		req.Header.Set("If-Match", h.values.uid(in.Match).ETag())
	case in.NoMatch:
		req.Header.Set("If-None-Match", "*")
	}
	res, err := h.c.http.Do(req)
	var got []byte
	if err == nil {
		got, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err != nil {
		var failed *net.OpError
		dialling := errors.As(err, &failed) && failed.Op == "dial"
		return answer{executed: !dialling}, "no answer"
	}
	return h.understand(in, method, res, got)
}

func (h *history) understand(in register.Input, method string, res *http.Response, got []byte) (a answer, text string) {
	a = answer{Output: register.Output{Status: res.StatusCode}, definite: true, executed: true}
	switch text = strconv.Itoa(res.StatusCode); res.StatusCode {
	case http.StatusOK:
		etag := res.Header.Get("ETag")
		a.Value = h.values.numbered(etag)
		switch {
		case in.Method != "GET" || a.Value == 0:
			h.t.Errorf("%s %s: %d %s, which nobody wrote", method, in.Key, res.StatusCode, etag)
		case method == "GET" && secret.Sum(got).ETag() != etag:
			h.t.Errorf("GET %s: %d bytes that are not those of %s", in.Key, len(got), etag)
		}
	case http.StatusCreated, http.StatusNoContent:
		if in.Method == "PUT" && res.Header.Get("ETag") != h.values.uid(in.Value).ETag() {
			h.t.Errorf("%v: ETag %s", in, res.Header.Get("ETag"))
		}
	case http.StatusNotFound, http.StatusPreconditionFailed:
	case http.StatusServiceUnavailable:
		a.definite, a.executed = false, false
		text += " " + res.Header.Get("Seppen-Reason")
		if res.Header.Get("Retry-After") == "" || method != "HEAD" && len(got) == 0 {
			h.t.Errorf("%v: 503 without Retry-After or a reason", in)
		}
	case http.StatusGatewayTimeout:
		a.definite = false
	default:
		h.t.Errorf("%v: %d %s", in, res.StatusCode, got)
	}
	return a, text
}

// client makes requests until the context ends, most of them at one node. It remembers
// which values it saw, and builds on them.
func (h *history) client(ctx context.Context, id int, rnd *rand.Rand) {
	seen := make(map[string]int)
	for ctx.Err() == nil {
		node := id % len(h.c.names)
		if rnd.IntN(4) == 0 {
			node = rnd.IntN(len(h.c.names))
		}
		key := h.keys[rnd.IntN(len(h.keys))]
		in, body := h.draw(rnd, key, seen[key])
		a := h.do(id, node, in, body)
		switch {
		case !a.definite:
		case in.Method == "GET":
			seen[key] = a.Value
		case in.Method == "PUT" && a.Status < 300:
			seen[key] = in.Value
		}
		time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
	}
}

// faithful reads at one node what that is the primary of, whatever happens to it: it must
// not answer with what it was.
func (h *history) faithful(ctx context.Context, node int) {
	for i := 0; ctx.Err() == nil; i++ {
		if key := h.keys[i%len(h.keys)]; h.c.primary(secret.KeySlot(key)) == node {
			h.do(reader+node, node, register.Input{Key: key, Method: "GET"}, nil)
			time.Sleep(6 * time.Millisecond)
		}
	}
}

func (h *history) draw(rnd *rand.Rand, key string, seen int) (in register.Input, body []byte) {
	in = register.Input{Key: key, Method: "GET"}
	switch n := rnd.IntN(100); {
	case n < 45:
		return in, nil
	case n < 90:
		in.Method = "PUT"
		in.Value, body = h.values.add(rnd)
		if n >= 80 {
			in.NoMatch = true
		}
	default:
		in.Method = "DELETE"
	}
	if !in.NoMatch && rnd.IntN(2) == 0 {
		in.Match = seen // no condition, if nothing was seen
	}
	return in, body
}

// during has clients at work while something happens.
func (h *history) during(rnd *rand.Rand, something func()) {
	ctx, cancel := context.WithCancel(h.t.Context())
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	for i := range 3 * len(h.c.names) {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		clients.Go(func() { h.client(ctx, i, rnd) })
	}
	for i := range h.c.names {
		clients.Go(func() { h.faithful(ctx, i) })
	}
	something()
}

// note enters what no client asked for, and what happened between a moment and now.
func (h *history) note(in register.Input, since int64) {
	h.ops = append(h.ops, porcupine.Operation{ClientId: nobody, Input: in, Output: register.Output{}, Call: since, Return: h.now()})
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
		a := h.do(prober, node(try), register.Input{Key: key, Method: "PUT", Value: value}, body)
		try++
		return a.definite
	})
	return time.Since(began)
}

// end reads all at every node, and judges everything.
func (h *history) end() {
	h.t.Helper()
	var want []string
	for _, key := range h.keys {
		for node := range h.c.names {
			var a answer
			h.c.eventually(fmt.Sprintf("%s is read at %s", key, h.c.names[node]), func() bool {
				a = h.do(reader, node, register.Input{Key: key, Method: "GET"}, nil)
				return a.definite
			})
			if node == 0 && a.Status == http.StatusOK {
				want = append(want, key)
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
	for _, ops := range register.Model.Partition(h.ops) {
		if got := porcupine.CheckOperationsTimeout(register.Model, ops, patience); got != porcupine.Ok {
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
		fmt.Fprintf(&b, "%v to %s, client %d: %s\n", time.Duration(o.Call), back, o.ClientId, register.Model.DescribeOperation(o.Input, o.Output))
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
