package rest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPace: a client that stops is timed out; one that is slow, but sends each piece
// in time, is not, though it takes longer than any timeout of the server.
func TestPace(t *testing.T) {
	m := newModel()
	o := quiet()
	o.BodyTimeout = 400 * time.Millisecond
	s := serve(t, m, o)

	for _, sent := range []int{0, 10, piece + 10} {
		c := dial(t, s)
		c.send(fmt.Sprintf("PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n%s", 3*piece, strings.Repeat("x", sent)))
		c.expect("PUT", http.StatusRequestTimeout)
		c.closed()
	}
	if got := stored(m); got != "nothing" {
		t.Errorf("%d bytes stored", len(got))
	}

	c, pieces := dial(t, s), 12
	c.send(fmt.Sprintf("PUT /k HTTP/1.1\r\nHost: s\r\nContent-Length: %d\r\n\r\n", pieces*piece))
	tick := time.NewTicker(100 * time.Millisecond) // 1.2 s in all
	defer tick.Stop()
	for range pieces {
		<-tick.C
		c.send(strings.Repeat("x", piece))
	}
	c.expect("PUT", http.StatusCreated)
	c.send("GET /k HTTP/1.1\r\nHost: s\r\n\r\n") // and its connection is as good as new
	if _, got := c.expect("GET", http.StatusOK); len(got) != pieces*piece {
		t.Errorf("%d bytes read", len(got))
	}
}

// TestSlowReader: the same for a client that reads.
func TestSlowReader(t *testing.T) {
	m := newModel()
	m.put("k", "", strings.Repeat("x", 32<<20)) // more than the system buffers
	o := quiet()
	o.BodyTimeout = 300 * time.Millisecond
	s := serve(t, m, o)

	stuck := dial(t, s)
	stuck.send("GET /k HTTP/1.1\r\nHost: s\r\n\r\n")
	slow := dial(t, s)
	slow.send("GET /k HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	n := int64(0)
	for range 12 { // 1.2 s, above twice the timeout, which is the server's own
		<-tick.C
		m, err := io.CopyN(io.Discard, slow, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	rest, err := io.Copy(io.Discard, slow)
	if n += rest; err != nil || n < 32<<20 {
		t.Errorf("slow reader: %d bytes, %v", n, err)
	}
	if n, err := io.Copy(io.Discard, stuck); err == nil && n >= 32<<20 {
		t.Errorf("stuck reader got all %d bytes", n)
	}
}
