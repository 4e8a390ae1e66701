package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/client"
	"github.com/eiri/seppen/api/client/internal/naive"
)

func put(t *testing.T, c *client.Client, key, value string) string {
	t.Helper()
	etag, _, err := c.Put(t.Context(), key, strings.NewReader(value), client.PutOptions{Size: int64(len(value)), Type: "text/plain"})
	if err != nil {
		t.Fatal(err)
	}
	return etag
}

func TestRoundTrip(t *testing.T) {
	c, _ := serve(t)
	etag, created, err := c.Put(t.Context(), "k", strings.NewReader("hello"), client.PutOptions{Size: 5, Type: "text/plain"})
	if err != nil || !created || len(etag) != 66 {
		t.Fatalf("%s, %v, %v", etag, created, err)
	}
	if _, created, err := c.Put(t.Context(), "k", strings.NewReader("hello"), client.PutOptions{Size: -1, Type: "text/plain"}); err != nil || created {
		t.Fatalf("a second time: %v, %v", created, err)
	}
	want := client.Info{Key: "k", ETag: etag, Size: 5, Type: "text/plain", Modified: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
	o, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(o.Body)
	if err != nil || string(data) != "hello" {
		t.Errorf("%q, %v", data, err)
	}
	if err := o.Body.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, o.Info); diff != "" {
		t.Error(diff)
	}
	info, err := c.Head(t.Context(), "k")
	if diff := cmp.Diff(want, info); err != nil || diff != "" {
		t.Error(diff, err)
	}
	for info, err := range c.List(t.Context(), client.ListOptions{}) {
		if diff := cmp.Diff(want, info); err != nil || diff != "" {
			t.Error(diff, err)
		}
	}
	if err := c.Delete(t.Context(), "k", client.Conditions{}); err != nil {
		t.Error(err)
	}
	if err := c.Delete(t.Context(), "k", client.Conditions{}); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
}

func TestConditions(t *testing.T) {
	c, store := serve(t)
	etag := put(t, c, "k", "one")
	for _, tt := range []struct {
		cond client.Conditions
		ok   bool
	}{
		{client.Conditions{IfNoneMatch: "*"}, false},
		{client.Conditions{IfNoneMatch: etag}, false},
		{client.Conditions{IfMatch: `"0"`}, false},
		{client.Conditions{IfMatch: "*"}, true},
		{client.Conditions{IfMatch: `"0", ` + etag}, true},
	} {
		store.Set("k", "one", "")
		_, _, err := c.Put(t.Context(), "k", strings.NewReader("two"), client.PutOptions{Conditions: tt.cond, Size: 3})
		if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, client.ErrPrecondition) {
			t.Errorf("put %+v: %v", tt.cond, err)
		}
		store.Set("k", "one", "")
		err = c.Delete(t.Context(), "k", tt.cond)
		if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, client.ErrPrecondition) {
			t.Errorf("delete %+v: %v", tt.cond, err)
		}
	}
}

func TestList(t *testing.T) {
	c, store := serve(t)
	for _, k := range []string{"a", "b/1", "b/2", "b/\xff", "b/\n", "c"} {
		store.Set(k, "value of "+k, "text/plain")
	}
	for _, tt := range []struct {
		o    client.ListOptions
		want []string
	}{
		{client.ListOptions{}, []string{"a", "b/\n", "b/1", "b/2", "b/\xff", "c"}},
		{client.ListOptions{Prefix: "b/", After: "b/1"}, []string{"b/2", "b/\xff"}},
		{client.ListOptions{Limit: 2}, []string{"a", "b/\n"}},
		{client.ListOptions{Prefix: "z"}, nil},
	} {
		var got []string
		for info, err := range c.List(t.Context(), tt.o) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, info.Key)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%+v:\n%s", tt.o, diff)
		}
	}
	for _, err := range c.List(t.Context(), client.ListOptions{}) {
		if err != nil {
			t.Error(err)
		}
		break // a list that is left early leaks nothing
	}
}

// Which errors follow from which answers, to reads and to writes.
func TestErrors(t *testing.T) {
	kinds := []error{
		client.ErrRequest, client.ErrNotFound, client.ErrPrecondition, client.ErrTooLarge, client.ErrNoMemory,
		client.ErrUnavailable, client.ErrUnknown, client.ErrKey, client.ErrTimeout,
	}
	for name, tt := range map[string]struct {
		fault       naive.Fault
		read, write error
		text        string
	}{
		"404":     {naive.Status(404, ""), client.ErrNotFound, client.ErrNotFound, `"k": not found`},
		"412":     {naive.Status(412, ""), client.ErrPrecondition, client.ErrPrecondition, "precondition failed"},
		"413":     {naive.Status(413, "at most 5 bytes"), client.ErrTooLarge, client.ErrTooLarge, "value too large: at most 5 bytes"},
		"507":     {naive.Status(507, "full\nsecond line"), client.ErrNoMemory, client.ErrNoMemory, "out of memory: full"},
		"503":     {naive.Status(503, "no layout"), client.ErrUnavailable, client.ErrUnavailable, "unavailable: no layout"},
		"504":     {naive.Status(504, "late"), client.ErrUnknown, client.ErrUnknown, "outcome unknown: late"},
		"500":     {naive.Status(500, "oops"), nil, client.ErrUnknown, "oops"},
		"400":     {naive.Status(400, "odd"), client.ErrRequest, client.ErrRequest, "bad request: odd"},
		"301":     {naive.Status(301, "elsewhere"), nil, nil, "unexpected answer 301"},
		"escapes": {naive.Status(400, "\x1b[2Jgone"), client.ErrRequest, client.ErrRequest, "?[2Jgone"},
		"dropped": {naive.Drop, client.ErrUnavailable, client.ErrUnknown, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			c, store := serve(t, client.WithRetries(0))
			// net/http itself repeats reads on a connection that broke.
			store.Next(tt.fault, tt.fault)
			_, readErr := c.Get(t.Context(), "k")
			c, store = serve(t, client.WithRetries(0))
			store.Next(tt.fault)
			_, _, writeErr := c.Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{Size: 1})
			for _, side := range []struct{ got, want error }{{readErr, tt.read}, {writeErr, tt.write}} {
				if side.got == nil || !strings.Contains(side.got.Error(), tt.text) {
					t.Errorf("%v, want %q in it", side.got, tt.text)
				}
				for _, kind := range kinds {
					if errors.Is(side.got, kind) != errors.Is(side.want, kind) {
						t.Errorf("%v is %v", side.got, kind)
					}
				}
			}
			if asked := store.Asked(); len(asked) != 1 {
				t.Errorf("asked %d times: %v", len(asked), asked)
			}
		})
	}
}

// A 503 is tried again, with the whole value; nothing else is.
func TestRetry(t *testing.T) {
	no := naive.Status(503, "not now")
	// late reads the value before it refuses.
	late := func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		return no(w, r)
	}
	// stream hides that a reader can seek.
	stream := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }
	for name, tt := range map[string]struct {
		faults []naive.Fault
		value  io.Reader
		size   int64
		asked  int
		ok     bool
	}{
		"twice refused":                 {[]naive.Fault{late, late}, strings.NewReader("value"), 5, 3, true},
		"always refused":                {[]naive.Fault{no, no, no, no, no, no}, strings.NewReader("value"), 5, 4, false},
		"a stream that was not touched": {[]naive.Fault{no}, stream("value"), -1, 2, true},
		"a stream that was sent":        {[]naive.Fault{late}, stream("value"), -1, 1, false},
		"unknown":                       {[]naive.Fault{naive.Status(504, "")}, strings.NewReader("value"), 5, 1, false},
		"out of memory":                 {[]naive.Fault{naive.Status(507, "")}, strings.NewReader("value"), 5, 1, false},
		"broken":                        {[]naive.Fault{naive.Drop}, strings.NewReader("value"), 5, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, store := serve(t)
			client.NoWait(c)
			store.Next(tt.faults...)
			_, _, err := c.Put(t.Context(), "k", tt.value, client.PutOptions{Size: tt.size})
			if (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
			if asked := store.Asked(); len(asked) != tt.asked {
				t.Errorf("asked %v", asked)
			}
			if got, _, ok := store.Value("k"); ok != tt.ok || tt.ok && got != "value" {
				t.Errorf("stored %q", got)
			}
		})
	}
}

// Where in a file the value begins must not be forgotten.
func TestRetryFromWhereTheReaderStood(t *testing.T) {
	c, store := serve(t)
	client.NoWait(c)
	store.Next(func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		return naive.Status(503, "")(w, r)
	})
	r := strings.NewReader("headvalue")
	if _, err := r.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Put(t.Context(), "k", r, client.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := store.Value("k"); got != "value" {
		t.Errorf("stored %q", got)
	}
}

// A refusal while the value is on its way must not mix two sendings of it.
func TestRefusedInTheMiddle(t *testing.T) {
	c, store := serve(t)
	client.NoWait(c)
	value := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	early := func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		return naive.Status(503, "not now")(w, r)
	}
	store.Next(early, early)
	_, _, err := c.Put(t.Context(), "k", bytes.NewReader(value), client.PutOptions{Size: int64(len(value))})
	switch got, _, ok := store.Value("k"); {
	case err == nil && got != string(value):
		t.Errorf("stored %d bytes of %d", len(got), len(value))
	case err != nil && !errors.Is(err, client.ErrUnknown):
		// The server may close the connection before its answer is read.
		t.Error(err)
	case err != nil && ok:
		t.Errorf("stored %d bytes after %v", len(got), err)
	}
}

func TestBodiesCutShort(t *testing.T) {
	c, store := serve(t)
	store.Next(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "1234")
		return true
	})
	o, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(o.Body)
	_ = o.Body.Close()
	if string(data) != "1234" || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "after 4 of 10 bytes") {
		t.Errorf("%q, %v", data, err)
	}

	store.Next(func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `{"key":"a"}`+"\n"+`{"key":"b`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	var got []string
	for info, e := range c.List(t.Context(), client.ListOptions{}) {
		if err = e; err == nil {
			got = append(got, info.Key)
		}
	}
	if !slices.Equal(got, []string{"a"}) || err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a list cut short: %q, %v", got, err)
	}

	// Our own value ends early: nothing is stored, and that is known.
	broken := io.MultiReader(strings.NewReader("1234"), readerFunc(func([]byte) (int, error) { return 0, errors.New("disk on fire") }))
	for _, size := range []int64{-1, 10} {
		_, _, err = c.Put(t.Context(), "cut", broken, client.PutOptions{Size: size})
		if err == nil || !strings.Contains(err.Error(), "disk on fire") || errors.Is(err, client.ErrUnknown) {
			t.Errorf("size %d: %v", size, err)
		}
		if got, _, ok := store.Value("cut"); ok {
			t.Errorf("size %d: stored %q", size, got)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSilentServer(t *testing.T) {
	stuck := func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return true
	}
	c, store := serve(t, client.WithIdleTimeout(50*time.Millisecond))
	store.Next(stuck)
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, client.ErrTimeout) || !errors.Is(err, client.ErrUnavailable) || errors.Is(err, context.Canceled) {
		t.Errorf("a read: %v", err)
	}
	store.Next(stuck)
	_, _, err := c.Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{Size: 1})
	if !errors.Is(err, client.ErrTimeout) || !errors.Is(err, client.ErrUnknown) || errors.Is(err, context.Canceled) {
		t.Errorf("a write: %v", err)
	}
	store.Next(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "1234")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	})
	o, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	if _, err := io.ReadAll(o.Body); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("a body: %v", err)
	}
}

// Neither a slow producer nor a slow consumer is the server's fault.
func TestSlowSelf(t *testing.T) {
	c, store := serve(t, client.WithIdleTimeout(100*time.Millisecond))
	slow := readerFunc(func() func([]byte) (int, error) {
		left := 3
		return func(p []byte) (int, error) {
			if left == 0 {
				return 0, io.EOF
			}
			left--
			<-time.After(150 * time.Millisecond)
			return copy(p, "x"), nil
		}
	}())
	if _, _, err := c.Put(t.Context(), "k", slow, client.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
	o, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Body.Close()
	<-time.After(150 * time.Millisecond)
	if data, err := io.ReadAll(o.Body); err != nil || string(data) != "xxx" {
		t.Errorf("%q, %v", data, err)
	}
	if _, kind, _ := store.Value("k"); kind != "application/octet-stream" {
		t.Errorf("type %q", kind)
	}
}

func TestInterrupted(t *testing.T) {
	c, store := serve(t)
	why := errors.New("a signal")
	ctx, cancel := context.WithCancelCause(t.Context())
	store.Next(func(_ http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel(why)
		<-r.Context().Done()
		return true
	})
	_, _, err := c.Put(ctx, "k", strings.NewReader("v"), client.PutOptions{Size: 1})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || !errors.Is(err, client.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	c, err := client.New("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{Size: 1})
	if !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:21285", "ftp://x", "http://", "http://x/?a=b", "http://x/#f", "http://[::1", "localhost"} {
		if _, err := client.New(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// A path in the URL stands before keys, for a store behind somebody else's path.
func TestPathInURL(t *testing.T) {
	c, store := serve(t)
	put(t, c, "a", "b")
	address := client.Base(c)
	behind, err := client.New(address + "/store/")
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	store.Asked()
	_, _ = behind.Head(t.Context(), "x/../y")
	if got := store.Asked(); !slices.Equal(got, []string{"HEAD /store/x%2F%2E%2E%2Fy"}) {
		t.Errorf("asked %q", got)
	}
}
