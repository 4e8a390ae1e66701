package rest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is the naive kv.Backend: a map and a lock.
type model struct {
	secret *uid.Secret
	now    func() time.Time
	chunk  int  // the longest chunk of a value, no limit if zero
	reads  bool // bodies read by themselves (io.ReaderFrom)

	// What a test wants to go wrong.
	fail      map[string]error // by method
	failChunk int64            // chunks from this byte on fail, if above zero
	failList  int              // lists fail after so many entries, if above zero

	mu      sync.Mutex
	entries map[string]kv.Entry
	values  map[uid.UID][]byte
	open    int // values and bodies not given back
}

func newModel() *model {
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		panic(err)
	}
	return &model{
		secret:  secret,
		now:     time.Now,
		fail:    map[string]error{},
		entries: map[string]kv.Entry{},
		values:  map[uid.UID][]byte{},
	}
}

// put stores a value behind the interface's back.
func (m *model) put(key, contentType, value string) kv.Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := kv.Entry{
		Key: strings.Clone(key), UID: m.secret.Sum([]byte(value)), Size: int64(len(value)),
		ContentType: contentType, Modified: m.now().UnixNano(),
	}
	m.entries[e.Key], m.values[e.UID] = e, []byte(value)
	return e
}

func (m *model) Lookup(_ context.Context, key string, withValue bool) (kv.Entry, kv.Value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["Lookup"]; err != nil {
		return kv.Entry{}, nil, err
	}
	e, ok := m.entries[key]
	if !ok {
		return kv.Entry{}, nil, kv.ErrNotFound
	}
	if !withValue {
		return e, nil, nil
	}
	m.open++
	return e, &modelValue{m, e.UID, m.values[e.UID]}, nil
}

type modelValue struct {
	m     *model
	uid   uid.UID
	bytes []byte
}

func (v *modelValue) UID() uid.UID { return v.uid }
func (v *modelValue) Size() int64  { return int64(len(v.bytes)) }
func (v *modelValue) Close()       { v.m.release() }

func (v *modelValue) Chunk(off int64) ([]byte, error) {
	if f := v.m.failChunk; f > 0 && off >= f {
		return nil, kv.Refuse(kv.Busy, "chunk at %d", off)
	}
	b := v.bytes[off:]
	if n := v.m.chunk; n > 0 && len(b) > n {
		b = b[:n]
	}
	return b, nil
}

func (m *model) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
}

func (m *model) NewBody(_ context.Context, size int64) (kv.Body, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["NewBody"]; err != nil {
		return nil, err
	}
	m.open++
	b := &modelBody{m: m}
	if m.reads {
		return &readingBody{b}, nil
	}
	return b, nil
}

type modelBody struct {
	m      *model
	buf    bytes.Buffer
	closed bool
}

func (b *modelBody) Write(p []byte) (int, error) {
	if err := b.m.fail["Write"]; err != nil {
		return 0, err
	}
	return b.buf.Write(p)
}

func (b *modelBody) Discard() {
	if !b.closed {
		b.closed = true
		b.m.release()
	}
}

func (b *modelBody) value() *modelBody { return b }

type readingBody struct{ *modelBody }

func (b *readingBody) ReadFrom(r io.Reader) (int64, error) { return b.buf.ReadFrom(r) }

func (m *model) Put(_ context.Context, key, contentType string, body kv.Body, cond kv.Conditions) (kv.Entry, bool, error) {
	b := body.(interface{ value() *modelBody }).value()
	defer b.Discard()
	m.mu.Lock()
	err := m.fail["Put"]
	old, there := m.entries[key]
	m.mu.Unlock()
	current := &old
	if !there {
		current = nil
	}
	switch {
	case err != nil:
		return kv.Entry{}, false, err
	case !cond.Allow(current):
		return kv.Entry{}, false, kv.ErrPrecondition
	}
	return m.put(key, contentType, b.buf.String()), !there, nil
}

func (m *model) Delete(_ context.Context, key string, cond kv.Conditions) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, there := m.entries[key]
	switch {
	case m.fail["Delete"] != nil:
		return m.fail["Delete"]
	case !there:
		return kv.ErrNotFound
	case !cond.Allow(&e):
		return kv.ErrPrecondition
	}
	delete(m.entries, key)
	return nil
}

func (m *model) List(_ context.Context, q kv.ListQuery, yield func(*kv.Entry) error) error {
	m.mu.Lock()
	entries, failList := maps.Clone(m.entries), m.failList
	m.mu.Unlock()
	if err := m.fail["List"]; err != nil {
		return err
	}
	n := 0
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if !strings.HasPrefix(key, q.Prefix) || key <= q.After {
			continue
		}
		if failList > 0 && n == failList {
			return kv.Refuse(kv.Busy, "list broke off")
		}
		e := entries[key]
		if err := yield(&e); err != nil {
			return err
		}
		if n++; n == q.Limit {
			break
		}
	}
	return nil
}

// quiet options log nothing.
func quiet() Options { return Options{Log: slog.New(slog.DiscardHandler)} }

// serve starts a server as a node does, with Options.Server and a real socket.
func serve(t testing.TB, m *model, o Options) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = o.Server(New(m, o))
	s.Listener = o.Listener(s.Listener)
	s.Start()
	t.Cleanup(func() {
		s.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.open != 0 {
			t.Errorf("%d values or bodies were not given back", m.open)
		}
	})
	return s
}

// request does one request against a handler, without a socket.
func request(h http.Handler, method, target, body string, header ...string) *http.Response {
	var in io.Reader
	if body != "" || method == http.MethodPut {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, in)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func read(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// client speaks HTTP as bytes, as no HTTP library would.
type client struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, s *httptest.Server) *client {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// done tells the server that nothing more comes.
func (c *client) done() {
	c.t.Helper()
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads the answer to a request of the given method, and its body.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, read(c.t, resp)
}

// expect reads an answer and checks its status.
func (c *client) expect(method string, status int) (*http.Response, string) {
	c.t.Helper()
	resp, body := c.answer(method)
	if resp.StatusCode != status {
		c.t.Fatalf("%s: status %d, want %d: %q", method, resp.StatusCode, status, body)
	}
	return resp, body
}

// closed checks that the server has nothing more to say.
func (c *client) closed() {
	c.t.Helper()
	if b, err := io.ReadAll(c.in); err != nil || len(b) > 0 {
		c.t.Errorf("after the answer: %q, %v", b, err)
	}
}
