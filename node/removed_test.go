package node

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
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

// A newcomer that is not needed after all was passing on what clients asked, and ends that.
func TestRemovedNewcomerFinishes(t *testing.T) {
	for _, phase := range []layout.Phase{layout.Joining, layout.Attached} {
		t.Run(phase.String(), func(t *testing.T) {
			t.Parallel()
			c := startCluster(t, 1, 1, plenty, nil)
			large := noise(8, 16<<20)
			c.do(0, "PUT", "large", large)
			n := newcomer(t, "snow-r1", nil)
			c.write(func(d *draft) { d.admit(n) })
			c.tell(n, c.nodes[0])
			if phase == layout.Attached {
				c.says(n, "copied", copied)
				c.write(func(d *draft) { d.phase(n, phase) })
				c.tell(n, c.nodes[0])
			}
			res, err := c.client.Get(n.url + "/large")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			c.write(func(d *draft) { d.remove(n, false) })
			c.tell(c.nodes[0])
			c.dismiss(n.peerAddr)
			c.eventually(n.state.Gone, "it hears of its end")
			time.Sleep(2 * wipeTimeout) // the client takes its time
			if got, err := io.ReadAll(res.Body); err != nil || !bytes.Equal(got, large) {
				t.Errorf("%d bytes came, then %v", len(got), err)
			}
			if err := n.stop(); !errors.Is(err, ErrRemoved) || !n.wiped {
				t.Errorf("it ended with %v, wiped %v", err, n.wiped)
			}
		})
	}
}
