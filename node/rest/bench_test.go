package rest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/julienschmidt/httprouter"

	"github.com/eiri/seppen/node/kv"
)

// discarder is a ResponseWriter that can be used again and again, as net/http's
// could not: what remains is the handler's own cost.
type discarder struct{ head http.Header }

func (d *discarder) Header() http.Header         { return d.head }
func (d *discarder) WriteHeader(int)             {}
func (d *discarder) Write(p []byte) (int, error) { return len(p), nil }

// constant is a backend that costs nothing.
type constant struct {
	entry kv.Entry
	value modelValue
}

type nopValue struct{ *modelValue }

func (nopValue) Close() {}

type nopBody struct{}

func (nopBody) Write(p []byte) (int, error) { return len(p), nil }
func (nopBody) Discard()                    {}

func (c *constant) Lookup(context.Context, string, bool) (kv.Entry, kv.Value, error) {
	return c.entry, nopValue{&c.value}, nil
}

func (c *constant) NewBody(context.Context, int64) (kv.Body, error) { return nopBody{}, nil }

func (c *constant) Put(context.Context, string, string, kv.Body, kv.Conditions) (kv.Entry, bool, error) {
	return c.entry, false, nil
}

func (c *constant) Delete(context.Context, string, kv.Conditions) error { return nil }

func (c *constant) List(context.Context, kv.ListQuery, func(*kv.Entry) error) error { return nil }

func benchHandler(withMetrics bool) http.Handler {
	m := newModel()
	e := m.put("key", "text/plain", strings.Repeat("x", 128))
	o := quiet()
	if withMetrics {
		o.Metrics = NewMetrics(nil)
	}
	return New(&constant{entry: e, value: modelValue{m, e.UID, m.values[e.UID]}}, o)
}

// bare is the yardstick: httprouter and a sync.Map.
func bare() http.Handler {
	var values sync.Map
	values.Store("key", bytes.Repeat([]byte("x"), 128))
	r := httprouter.New()
	r.GET("/*key", func(w http.ResponseWriter, _ *http.Request, ps httprouter.Params) {
		v, ok := values.Load(ps[0].Value[1:])
		if !ok {
			http.NotFound(w, nil)
			return
		}
		w.Write(v.([]byte)) //nolint:errcheck // it is a benchmark's
	})
	r.PUT("/*key", func(w http.ResponseWriter, r *http.Request, ps httprouter.Params) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		values.Store(ps[0].Value[1:], b)
		w.WriteHeader(http.StatusNoContent)
	})
	return r
}

func benchmark(b *testing.B, h http.Handler, method string, body []byte) {
	in := bytes.NewReader(body)
	r := &http.Request{
		Method: method, URL: &url.URL{Path: "/key"}, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"User-Agent": {"bench"}, "Accept": {"*/*"}},
		Body:   io.NopCloser(in), ContentLength: int64(len(body)),
	}
	w := &discarder{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(body)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkGet128(b *testing.B) {
	b.Run("rest", func(b *testing.B) { benchmark(b, benchHandler(false), "GET", nil) })
	b.Run("metrics", func(b *testing.B) { benchmark(b, benchHandler(true), "GET", nil) })
	b.Run("bare", func(b *testing.B) { benchmark(b, bare(), "GET", nil) })
}

func BenchmarkPut128(b *testing.B) {
	body := bytes.Repeat([]byte("y"), 128)
	b.Run("rest", func(b *testing.B) { benchmark(b, benchHandler(false), "PUT", body) })
	b.Run("metrics", func(b *testing.B) { benchmark(b, benchHandler(true), "PUT", body) })
	b.Run("bare", func(b *testing.B) { benchmark(b, bare(), "PUT", body) })
}

// socketRate measures requests through net/http and a socket, where the handler's
// cost is what a client sees of it.
func socketRate(b *testing.B, h http.Handler) {
	s := httptest.NewUnstartedServer(nil)
	s.Config = quiet().Server(h)
	s.Start()
	defer s.Close()
	const request = "GET /key HTTP/1.1\r\nHost: seppen\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n"
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		for pb.Next() {
			if _, err := io.WriteString(c, request); err != nil {
				b.Error(err)
				return
			}
			for got := 0; ; { // an answer is one packet or two, and ends with the value
				n, err := c.Read(buf[got:])
				if err != nil {
					b.Error(err)
					return
				}
				if got += n; buf[got-1] == 'x' {
					break
				}
			}
		}
	})
}

func BenchmarkSocketGet128(b *testing.B) {
	b.Run("rest", func(b *testing.B) { socketRate(b, benchHandler(true)) })
	b.Run("bare", func(b *testing.B) { socketRate(b, bare()) })
}
