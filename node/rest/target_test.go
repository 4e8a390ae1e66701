package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/eiri/seppen/node/kv"
)

func TestPipelining(t *testing.T) {
	m := newModel()
	c := dial(t, serve(t, m, quiet()))
	c.send("PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\n\r\n12345" +
		"GET /k HTTP/1.1\r\nHost: s\r\n\r\n" +
		"PUT /k HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" +
		"HEAD /k HTTP/1.1\r\nHost: s\r\n\r\n" +
		"GET / HTTP/1.1\r\nHost: s\r\n\r\n" +
		"DELETE /k HTTP/1.1\r\nHost: s\r\n\r\n" +
		"GET /k HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
	c.expect("PUT", http.StatusCreated)
	if _, got := c.expect("GET", http.StatusOK); got != "12345" {
		t.Errorf("got %q", got)
	}
	c.expect("PUT", http.StatusNoContent)
	if resp, _ := c.expect("HEAD", http.StatusOK); resp.ContentLength != 3 {
		t.Errorf("Content-Length %d", resp.ContentLength)
	}
	if _, got := c.expect("GET", http.StatusOK); got != "k" {
		t.Errorf("list %q", got)
	}
	c.expect("DELETE", http.StatusNoContent)
	c.expect("GET", http.StatusNotFound)
	c.closed()
}

// TestTargets: what stands in a request line besides a path.
func TestTargets(t *testing.T) {
	m := newModel()
	m.put("a//b", "", "value")
	s := serve(t, m, quiet())
	for _, tt := range []struct {
		line   string
		status int
		allow  string
		body   string
	}{
		{"GET http://other:1/a//b HTTP/1.1", 200, "", "value"},
		{"GET http://other HTTP/1.1", 200, "", "a//b"},
		{"GET http://other/ HTTP/1.1", 200, "", "a//b"},
		{"GET http://other?prefix=b HTTP/1.1", 200, "", ""},
		{"GET //b HTTP/1.1", 404, "", ""},
		{"GET /a//b HTTP/1.0", 200, "", "value"},
		{"GET /? HTTP/1.1", 200, "", "a//b"},
		{"GET /a//b? HTTP/1.1", 400, "", "a key has no query; write a \"?\" that belongs to the key as %3F\n"},
		{"GET /a//b?c HTTP/1.1", 400, "", "a key has no query; write a \"?\" that belongs to the key as %3F\n"},
		{"GET * HTTP/1.1", 400, "", "the request target has no path\n"},
		{"GET mailto:a HTTP/1.1", 400, "", "the request target has no path\n"},
		{"OPTIONS * HTTP/1.1", 200, "", ""},
		{"OPTIONS / HTTP/1.1", 405, allowRoot, ""},
		{"OPTIONS /a//b HTTP/1.1", 405, allowKey, ""},
		{"TRACE /a HTTP/1.1", 405, allowKey, ""},
		{"POST / HTTP/1.1", 405, allowRoot, ""},
		{"POST /a HTTP/1.1", 405, allowKey, ""},
		{"PATCH /a?b HTTP/1.1", 405, allowKey, ""},
		{"get /a HTTP/1.1", 405, allowKey, ""},
		{"BREW http://other HTTP/1.1", 405, allowRoot, ""},
		{"PUT / HTTP/1.1", 405, allowRoot, ""},
		{"DELETE / HTTP/1.1", 405, allowRoot, ""},
		{"DELETE /?x HTTP/1.1", 405, allowRoot, ""},
		{"CONNECT other:443 HTTP/1.1", 405, allowRoot, ""},
		{"CONNECT /a HTTP/1.1", 405, allowKey, ""},
	} {
		t.Run(tt.line, func(t *testing.T) {
			c := dial(t, s)
			c.send(tt.line + "\r\nHost: s\r\nConnection: close\r\n\r\n")
			resp, body := c.expect(strings.Fields(tt.line)[0], tt.status)
			if got := resp.Header.Get("Allow"); got != tt.allow || body != tt.body {
				t.Errorf("Allow %q, body %q", got, body)
			}
			c.closed()
		})
	}
	for _, line := range []string{"GET a HTTP/1.1", "GET /%zz HTTP/1.1", "GET /a b HTTP/1.1", "GET /a\x01 HTTP/1.1"} {
		c := dial(t, s)
		c.send(line + "\r\nHost: s\r\n\r\n")
		c.expect("GET", http.StatusBadRequest)
	}
}

func TestLongKeys(t *testing.T) {
	s := serve(t, newModel(), quiet())
	for _, tt := range []struct{ size, status int }{{kv.MaxKey, 404}, {kv.MaxKey + 1, 414}, {11_000, 414}, {20_000, 431}} {
		c := dial(t, s)
		c.send("GET /" + strings.Repeat("%00", tt.size) + " HTTP/1.1\r\nHost: s\r\n\r\n")
		c.expect("GET", tt.status)
	}
}
