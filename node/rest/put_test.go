package rest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestPutHeaders(t *testing.T) {
	for _, tt := range []struct {
		name, header, value string
		status              int
	}{
		{"type", "Content-Type", "text/html; charset=\"x\"", 201},
		{"odd type", "Content-Type", "caf\xe9\t!", 201},
		{"longest type", "Content-Type", strings.Repeat("x", 255), 201},
		{"type too long", "Content-Type", strings.Repeat("x", 256), 400},
		{"type with a line", "Content-Type", "a\r\nb", 400},
		{"identity", "Content-Encoding", "Identity", 201},
		{"coding", "Content-Encoding", "gzip", 400},
		{"range", "Content-Range", "bytes 0-4/5", 400},
		{"bad tags", "If-None-Match", "abc", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := New(newModel(), quiet())
			r := request(h, "PUT", "/k", "value", tt.header, tt.value)
			reason := read(t, r)
			if r.StatusCode != tt.status || strings.HasSuffix(reason, "\n") != (tt.status == 400) {
				t.Fatalf("%d %q", r.StatusCode, reason)
			}
			if tt.header != "Content-Type" || tt.status != 201 {
				return
			}
			if got := request(h, "GET", "/k", "").Header.Get("Content-Type"); got != tt.value {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
	if r := request(New(newModel(), quiet()), "PUT", "/k", "v", "Content-Type", "a/b", "Content-Type", "c/d"); r.StatusCode != 400 {
		t.Errorf("two types: status %d", r.StatusCode)
	}
}

// stored tells what the model has under "k".
func stored(m *model) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries["k"]
	if !ok {
		return "nothing"
	}
	return string(m.values[e.UID])
}

func TestBrokenBodies(t *testing.T) {
	tests := []struct {
		name, request string
		status        int // 0: no answer, as nobody is there to read it
	}{
		{"cut short", "PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: 10\r\n\r\n12345", 400},
		{"chunk cut short", "PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", 400},
		{"no last chunk", "PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", 400},
		{"bad chunk size", "PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n12345\r\n0\r\n\r\n", 400},
		{"chunk longer than said", "PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n12345\r\n0\r\n\r\n", 400},
		{"no length", "PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: x\r\n\r\n12345", 400},
		{"two lengths", "PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345", 400},
		{"two codings", "PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
	}
	for _, reads := range []bool{false, true} {
		m := newModel()
		m.reads = reads
		s := serve(t, m, quiet())
		for _, tt := range tests {
			t.Run(fmt.Sprint(tt.name, reads), func(t *testing.T) {
				c := dial(t, s)
				c.send(tt.request)
				c.done()
				c.expect("PUT", tt.status)
				c.closed()
				if got := stored(m); got != "nothing" {
					t.Errorf("stored %q", got)
				}
			})
		}
	}
}

func TestBodies(t *testing.T) {
	sizes := []int{0, 1, smallSize, smallSize + 1, piece - 1, piece, piece + 1, 3*piece + 7, 1 << 20}
	for _, reads := range []bool{false, true} {
		m := newModel()
		m.reads, m.chunk = reads, 1000
		o := quiet()
		o.MaxValue = 1 << 20
		s := serve(t, m, o)
		for _, size := range sizes {
			for _, length := range []int64{int64(size), -1} { // known, or chunked
				t.Run(fmt.Sprint(reads, size, length), func(t *testing.T) {
					value := strings.Repeat("0123456789abcdef!", size/17+1)[:size]
					req, err := http.NewRequest("PUT", s.URL+"/k", io.NopCloser(strings.NewReader(value)))
					if err != nil {
						t.Fatal(err)
					}
					if req.ContentLength = length; length == 0 {
						req.Body = nil
					}
					resp, err := s.Client().Do(req)
					if err != nil {
						t.Fatal(err)
					}
					read(t, resp)
					if got := stored(m); got != value {
						t.Errorf("%d bytes stored, status %d", len(got), resp.StatusCode)
					}
					if resp, err = s.Client().Get(s.URL + "/k"); err != nil {
						t.Fatal(err)
					}
					if got := read(t, resp); got != value || resp.ContentLength != int64(size) {
						t.Errorf("%d bytes read, Content-Length %d", len(got), resp.ContentLength)
					}
				})
			}
		}
	}
}
