package node

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// noise returns bytes that depend on seed and size alone.
func noise(seed byte, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{seed, byte(size), byte(size >> 8)}).Read(b) //nolint:errcheck // it never fails
	return b
}

// TestModel drives a cluster and a naive model of it through the same requests, at
// random nodes, with so few keys and values that values are shared most of the time.
func TestModel(t *testing.T) {
	for _, shape := range [][2]int{{1, 1}, {3, 2}, {1, 3}, {4, 3}} {
		t.Run(fmt.Sprintf("%dx%d", shape[0], shape[1]), func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, shape[0], shape[1], plenty, quick)
			empty := c.cellBytes()
			rapid.Check(t, func(t *rapid.T) {
				m := &model{c: c, keys: map[string]modelEntry{}}
				m.begin()
				t.Repeat(map[string]func(*rapid.T){
					"put":           m.put,
					"put again":     m.put,
					"put if":        m.putIf,
					"get":           m.get,
					"head":          m.head,
					"delete":        m.remove,
					"delete if":     m.removeIf,
					"list":          m.list,
					"wait for free": m.wait,
					"":              m.check,
				})
				m.end(t, empty)
			})
		})
	}
}

type modelEntry struct {
	value       []byte
	contentType string
}

type model struct {
	c    *cluster
	keys map[string]modelEntry
	last string // the key of the last step
}

// modelValues have the sizes where a value's way through the cluster changes.
var modelValues = func() (all [][]byte) {
	for i, size := range []int{0, 100, 100, 4<<10 - 1, 4 << 10, 4<<10 + 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 200 << 10} {
		all = append(all, noise(byte(i), size))
	}
	return all
}()

var modelKeys = []string{"a", "b", "b/c", "b//", "b%20d", "z"}

func (m *model) node(t *rapid.T) int { return rapid.IntRange(0, len(m.c.nodes)-1).Draw(t, "node") }

func (m *model) key(t *rapid.T) string {
	m.last = rapid.SampledFrom(modelKeys).Draw(t, "key")
	return m.last
}

func drawEntry(t *rapid.T) modelEntry {
	i := rapid.IntRange(0, len(modelValues)-1).Draw(t, "value")
	return modelEntry{modelValues[i], rapid.SampledFrom([]string{"text/x", "text/y"}).Draw(t, "type")}
}

func (m *model) etag(e modelEntry) string { return m.c.secret.Sum(e.value).ETag() }

func (m *model) put(t *rapid.T) {
	key, e := m.key(t), drawEntry(t)
	r := m.c.do(m.node(t), "PUT", key, e.value, "Content-Type", e.contentType)
	m.wasPut(t, key, e, r)
}

func (m *model) wasPut(t *rapid.T, key string, e modelEntry, r response) {
	want := 201
	if _, had := m.keys[key]; had {
		want = 204
	}
	if r.status != want || r.header.Get("ETag") != m.etag(e) {
		t.Fatalf("PUT %s: %d, want %d: %s", key, r.status, want, r.body)
	}
	m.keys[key] = e
}

func (m *model) putIf(t *rapid.T) {
	key, e := m.key(t), drawEntry(t)
	name, tag, holds := m.condition(t, key)
	r := m.c.do(m.node(t), "PUT", key, e.value, "Content-Type", e.contentType, name, tag)
	if holds {
		m.wasPut(t, key, e, r)
	} else if r.status != 412 {
		t.Fatalf("PUT %s with %s: %s: %d", key, name, tag, r.status)
	}
}

// condition draws a condition and tells whether the key meets it.
func (m *model) condition(t *rapid.T, key string) (header, tag string, holds bool) {
	had, exists := m.keys[key]
	guess := drawEntry(t)
	if exists && rapid.Bool().Draw(t, "right") {
		guess = had
	}
	same := exists && bytes.Equal(guess.value, had.value)
	switch rapid.IntRange(0, 3).Draw(t, "condition") {
	case 0:
		return "If-Match", "*", exists
	case 1:
		return "If-None-Match", "*", !exists
	case 2:
		return "If-Match", m.etag(guess), same
	default:
		return "If-None-Match", `"x", ` + m.etag(guess), !same
	}
}

func (m *model) get(t *rapid.T) {
	key, node := m.key(t), m.node(t)
	m.readAt(t, node, key)
	e, ok := m.keys[key]
	if !ok {
		return
	}
	if r := m.c.do(node, "GET", key, nil, "If-None-Match", m.etag(e)); r.status != 304 {
		t.Fatalf("GET %s with its own ETag: %d", key, r.status)
	}
	if len(e.value) > 2 {
		from := rapid.IntRange(0, len(e.value)-1).Draw(t, "from")
		r := m.c.do(node, "GET", key, nil, "Range", fmt.Sprintf("bytes=%d-", from))
		if r.status != 206 || !bytes.Equal(r.body, e.value[from:]) {
			t.Fatalf("GET %s from byte %d: %d", key, from, r.status)
		}
	}
}

func (m *model) readAt(t *rapid.T, node int, key string) {
	r := m.c.do(node, "GET", key, nil)
	e, ok := m.keys[key]
	switch {
	case !ok && (r.status != 404 || len(r.body) != 0):
		t.Fatalf("GET of no key at node %d: %d %.100q", node, r.status, r.body)
	case ok && (r.status != 200 || !bytes.Equal(r.body, e.value) || r.header.Get("Content-Type") != e.contentType || r.header.Get("ETag") != m.etag(e)):
		t.Fatalf("GET of %s, %d bytes, at node %d: %d, %d bytes %v", key, len(e.value), node, r.status, len(r.body), r.header)
	}
}

func (m *model) head(t *rapid.T) {
	key := m.key(t)
	r := m.c.do(m.node(t), "HEAD", key, nil)
	e, ok := m.keys[key]
	switch {
	case !ok && r.status != 404:
		t.Fatalf("HEAD of no key: %d", r.status)
	case ok && (r.status != 200 || r.header.Get("ETag") != m.etag(e) || r.header.Get("Content-Length") != fmt.Sprint(len(e.value))):
		t.Fatalf("HEAD of %s: %d %v", key, r.status, r.header)
	}
}

func (m *model) remove(t *rapid.T) {
	key := m.key(t)
	m.wasRemoved(t, key, m.c.do(m.node(t), "DELETE", key, nil))
}

func (m *model) wasRemoved(t *rapid.T, key string, r response) {
	want := 404
	if _, had := m.keys[key]; had {
		want = 204
	}
	if r.status != want {
		t.Fatalf("DELETE %s: %d, want %d", key, r.status, want)
	}
	delete(m.keys, key)
}

func (m *model) removeIf(t *rapid.T) {
	key := m.key(t)
	name, tag, holds := m.condition(t, key)
	r := m.c.do(m.node(t), "DELETE", key, nil, name, tag)
	// Without the key there is nothing that conditions could be about.
	if _, exists := m.keys[key]; holds || !exists {
		m.wasRemoved(t, key, r)
	} else if r.status != 412 {
		t.Fatalf("DELETE %s with %s: %s: %d", key, name, tag, r.status)
	}
}

func (m *model) list(t *rapid.T) {
	prefix := rapid.SampledFrom([]string{"", "b", "b/", "x"}).Draw(t, "prefix")
	after := rapid.SampledFrom([]string{"", "a", "b/", "zz"}).Draw(t, "after")
	limit := rapid.IntRange(0, 3).Draw(t, "limit")
	var want []string
	for _, k := range slices.Sorted(maps.Keys(m.keys)) {
		k = strings.ReplaceAll(k, "%20", " ")
		if strings.HasPrefix(k, prefix) && k > after && (limit == 0 || len(want) < limit) {
			want = append(want, k)
		}
	}
	q := fmt.Sprintf("?prefix=%s&after=%s", prefix, after)
	if limit > 0 {
		q += fmt.Sprintf("&limit=%d", limit)
	}
	if r := m.c.do(m.node(t), "GET", q, nil); r.status != 200 || string(r.body) != strings.Join(want, "\n") {
		t.Fatalf("GET /%s: %d %q, want %q", q, r.status, r.body, want)
	}
}

// check looks at what every owner holds, and reads the last step's key everywhere.
func (m *model) check(t *rapid.T) {
	if m.last != "" {
		for i := range m.c.nodes {
			m.readAt(t, i, m.last)
		}
		m.last = ""
	}
	if diff := cmp.Diff("", m.c.misplaced(modelKeys, m.keys)); diff != "" {
		t.Fatal(diff)
	}
}

// misplaced says what is not at every one of its owners that should be there, or is
// there and should not.
func (c *cluster) misplaced(keys []string, entries map[string]modelEntry) string {
	var wrong strings.Builder
	for _, key := range keys {
		e, exists := entries[key]
		name := strings.ReplaceAll(key, "%20", " ")
		slot, u := c.secret.KeySlot(name), c.secret.Sum(e.value)
		var first kv.Entry
		for i, n := range c.owners(slot) {
			got, ok := n.store.Entry(slot, name)
			if i == 0 {
				first = got
			}
			switch {
			case exists != (ok && !got.Deleted):
				fmt.Fprintf(&wrong, "entry of %s at %s: %v %+v\n", key, n.Node.cfg.Name, ok, got)
			case exists && (got != first || got.UID != u):
				fmt.Fprintf(&wrong, "entry of %s at %s: %+v, at the primary %+v\n", key, n.Node.cfg.Name, got, first)
			}
		}
		for _, n := range c.owners(u.Slot()) {
			if exists && !n.store.Has(u) {
				fmt.Fprintf(&wrong, "value of %s is not at %s\n", key, n.Node.cfg.Name)
			}
		}
	}
	return wrong.String()
}

// owners are the nodes that must have what belongs to a slot, its primary first.
func (c *cluster) owners(slot uint8) (all []*running) {
	for _, m := range layout.NewTable(c.layout).Owners(slot).Ack {
		all = append(all, c.member(m.Incarnation))
	}
	return all
}

func (c *cluster) member(id layout.ID) *running {
	i := slices.IndexFunc(c.nodes, func(n *running) bool { return n.state.Incarnation() == id })
	return c.nodes[i]
}

// begin forgets what a failed run has left.
func (m *model) begin() {
	for _, key := range modelKeys {
		m.c.do(0, "DELETE", key, nil)
	}
}

func (m *model) wait(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "wait") == 0 {
		m.settle(t)
	}
}

// settle waits until nothing is left that no key needs.
func (m *model) settle(*rapid.T) { m.c.eventually(m.tidy, "what no key needs is gone") }

// tidy tells whether each node has the values that keys refer to, and nothing besides.
func (m *model) tidy() bool {
	needed := make(map[*running]map[uid.UID]bool)
	for _, e := range m.keys {
		u := m.c.secret.Sum(e.value)
		for _, n := range m.c.owners(u.Slot()) {
			if needed[n] == nil {
				needed[n] = make(map[uid.UID]bool)
			}
			needed[n][u] = true
		}
	}
	for _, n := range m.c.nodes {
		if s := n.store.Stats(); s.Values != len(needed[n]) || s.Tombstones != 0 || s.Transit != 0 {
			return false
		}
	}
	return true
}

// end reads everything everywhere, deletes it, and finds no memory in use then.
func (m *model) end(t *rapid.T, empty []int64) {
	for _, key := range modelKeys {
		for i := range m.c.nodes {
			m.readAt(t, i, key)
		}
	}
	m.settle(t)
	m.check(t)
	for _, key := range modelKeys {
		m.wasRemoved(t, key, m.c.do(0, "DELETE", key, nil))
	}
	m.settle(t)
	if diff := cmp.Diff(empty, m.c.cellBytes()); diff != "" {
		t.Fatalf("memory in use of an empty cluster (-at first +now):\n%s", diff)
	}
}

// cellBytes is the memory that each node's store has handed out.
func (c *cluster) cellBytes() (all []int64) {
	for _, n := range c.nodes {
		all = append(all, n.store.Stats().CellBytes)
	}
	return all
}
