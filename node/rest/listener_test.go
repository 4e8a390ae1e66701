package rest

import (
	"net/http"
	"testing"
	"time"
)

// TestConnectionLimit: the connection above the limit waits until another ends.
func TestConnectionLimit(t *testing.T) {
	o := quiet()
	o.MaxConns = 1
	s := serve(t, newModel(), o)
	get := func(c *client) { c.send("GET /k HTTP/1.1\r\nHost: s\r\n\r\n") }
	first, second := dial(t, s), dial(t, s)
	get(first)
	first.expect("GET", http.StatusNotFound)
	get(second)
	if err := second.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if b, err := second.in.Peek(1); err == nil {
		t.Fatalf("%q came through", b)
	}
	if err := second.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second.in.Reset(second.Conn)
	second.expect("GET", http.StatusNotFound)
}
