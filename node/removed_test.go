package node

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A node that is removed goes on as another incarnation, whatever its clients are about:
// those that take their time are cut off.
func TestRemovedNodeCutsClientsOff(t *testing.T) {
	large := noise(7, 16<<20)
	for name, begin := range map[string]func(t *testing.T, c *cluster){
		"one has only connected": func(t *testing.T, c *cluster) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(c.nodes[0].url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
		},
		"one does not read its answer": func(t *testing.T, c *cluster) {
			c.do(0, "PUT", "large", large)
			res, err := c.client.Get(c.nodes[0].url + "/large")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if n, err := io.Copy(io.Discard, res.Body); err == nil {
					t.Errorf("it got all %d bytes: nothing was tested", n)
				}
				res.Body.Close()
			})
		},
		"one does not finish its body": func(t *testing.T, c *cluster) {
			body, in := io.Pipe()
			req, err := http.NewRequest("PUT", c.nodes[0].url+"/large", body)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if res, err := c.client.Do(req); err == nil {
					res.Body.Close()
				}
			}()
			if _, err := in.Write(large[:1<<20]); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				in.Close() //nolint:errcheck // a pipe's never fails
				<-done
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 1, 2, plenty, nil)
			begin(t, c)
			removed := c.nodes[0]
			c.write(func(d *draft) { d.remove(removed, false) })
			c.dismiss(removed.peerAddr)
			c.eventually(removed.state.Gone, "it hears of its end")
			if err := removed.stop(); !errors.Is(err, ErrRemoved) || !removed.wiped {
				t.Errorf("it ended with %v, wiped %v", err, removed.wiped)
			}
		})
	}
}
