package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eiri/seppen/node/kv"
)

// TestTooLarge: the client that sends all before it reads must see the answer, and the
// one that can wait must not send.
func TestTooLarge(t *testing.T) {
	m := newModel()
	o := quiet()
	o.MaxValue = 100
	s := serve(t, m, o)
	big := strings.Repeat("x", 8<<20)
	for _, tt := range []struct{ name, request string }{
		{"by length", fmt.Sprintf("PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n%s", len(big), big)},
		{"by chunks", fmt.Sprintf("PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(big), big)},
		{"by one byte", "PUT /k HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: 101\r\n\r\n" + big[:101]},
		{"awaiting 100", fmt.Sprintf("PUT /k HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(big))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			c.send(tt.request)
			resp, body := c.expect("PUT", http.StatusRequestEntityTooLarge)
			if body != "the value is larger than the limit of 100 bytes\n" || !resp.Close {
				t.Errorf("closes %v, body %q", resp.Close, body)
			}
			c.done()
			c.closed()
			if got := stored(m); got != "nothing" {
				t.Errorf("%d bytes stored", len(got))
			}
		})
	}
}

// TestRefusalKeepsConnection: a small body that was refused does not cost the client
// its connection.
func TestRefusalKeepsConnection(t *testing.T) {
	m := newModel()
	c := dial(t, serve(t, m, quiet()))
	c.send("PUT /k? HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\n12345")
	c.expect("PUT", http.StatusBadRequest)
	c.send("PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\n12345")
	c.expect("PUT", http.StatusCreated)
}

func TestExpectContinue(t *testing.T) {
	const head = "PUT /k HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: 5\r\n"
	m := newModel()
	s := serve(t, m, quiet())
	c := dial(t, s)
	c.send(head + "\r\n")
	c.expect("PUT", http.StatusContinue)
	c.send("12345")
	c.expect("PUT", http.StatusCreated)
	if got := stored(m); got != "12345" {
		t.Errorf("stored %q", got)
	}

	refused := func(more string, status int) {
		t.Helper()
		c := dial(t, s)
		c.send(head + more + "\r\n")
		if resp, _ := c.expect("PUT", status); !resp.Close {
			t.Error("the connection stays, though nobody knows what comes next")
		}
		c.done()
		c.closed()
	}
	refused("If-None-Match: *\r\n", http.StatusPreconditionFailed)
	refused("If-Match: \"x\"\r\n", http.StatusPreconditionFailed)
	refused("Content-Encoding: gzip\r\n", http.StatusBadRequest)
	m.fail["NewBody"] = kv.ErrNoMemory
	refused("", http.StatusInsufficientStorage)
	if got := stored(m); got != "12345" {
		t.Errorf("stored %q", got)
	}
	c = dial(t, s)
	c.send(strings.Replace(head, "100-continue", "cake", 1) + "\r\n")
	c.expect("PUT", http.StatusExpectationFailed)
}

// A server that is about to end asks for each connection to be closed, whatever the answer is,
// and takes what was sent before.
func TestClosing(t *testing.T) {
	m := newModel()
	o := quiet()
	var closing atomic.Bool
	o.Closing = closing.Load
	s := serve(t, m, o)
	for _, tt := range []struct {
		method, request string
		status          int
	}{
		{"PUT", "PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\n12345", http.StatusCreated},
		{"GET", "GET /k HTTP/1.1\r\nHost: s\r\n\r\n", http.StatusOK},
		{"GET", "GET / HTTP/1.1\r\nHost: s\r\n\r\n", http.StatusOK},
		{"HEAD", "HEAD /none HTTP/1.1\r\nHost: s\r\n\r\n", http.StatusNotFound},
		{"PUT", "PUT /k? HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\n12345", http.StatusBadRequest},
		{"DELETE", "DELETE /k HTTP/1.1\r\nHost: s\r\n\r\n", http.StatusNoContent},
	} {
		c := dial(t, s)
		if tt.method != "PUT" && tt.method != "DELETE" {
			closing.Store(false)
			c.send(tt.request)
			if resp, _ := c.expect(tt.method, tt.status); resp.Close {
				t.Errorf("%.10s: closed without need", tt.request)
			}
		}
		closing.Store(true)
		c.send(tt.request)
		if resp, _ := c.expect(tt.method, tt.status); !resp.Close {
			t.Errorf("%.10s: not closed", tt.request)
		}
		c.closed()
	}
}
