package node

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// A list that is answered has every key that was there all the time, however often the
// owners change while it is read; one that can't be completed is cut short, and seen to be.
func TestListsWhileOwnersChange(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 2, plenty, nil)
	var keys []string
	for i := range 600 { // some pages of each node
		key := fmt.Sprintf("key-%04d", i)
		if r := c.do(i%3, "PUT", key, []byte("v")); r.status != 201 {
			t.Fatalf("PUT: %d %s", r.status, r.body)
		}
		keys = append(keys, key)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	var complete atomic.Int64
	for i := range c.nodes {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := c.try(i, "GET", "", nil)
				if err != nil || r.status == http.StatusServiceUnavailable {
					continue
				}
				if got := strings.Split(string(r.body), "\n"); r.status != 200 || !slices.Equal(got, keys) {
					t.Errorf("list at node %d: %d, %d keys", i, r.status, len(got))
				}
				complete.Add(1)
			}
		})
	}
	for i := 0; i < 20 || complete.Load() < 12; i++ {
		time.Sleep(time.Duration(50+i) * time.Millisecond) // on a slow machine they come less often
		c.write((*draft).reverse)
		c.tell(c.nodes[i%3])
	}
	close(stop)
	all.Wait()
}

// A new member that is the primary of nothing yet does not hide keys from lists, and when it
// is, none is listed twice.
func TestListsWhileAMemberJoins(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 1, plenty, nil)
	all := c.fill()
	comes := startNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 255}}, plenty, nil)
	nodes := append(slices.Clone(c.nodes), comes)
	listed := func() {
		t.Helper()
		for _, n := range nodes {
			var r response
			c.eventually(func() bool {
				var err error
				r, err = c.request(n.url, "GET", "", nil)
				return err == nil && r.status == 200
			}, "a list is answered")
			if got := strings.Fields(string(r.body)); len(got) != len(all) || !slices.IsSorted(got) {
				t.Errorf("%d keys, want %d", len(got), len(all))
			}
		}
	}
	c.write(func(d *draft) { d.admit(comes) })
	c.tell(comes)
	listed()
	c.says(comes, "has copied", copied)
	c.write(func(d *draft) { d.phase(comes, layout.Attached) })
	c.tell(comes)
	listed()
	c.says(comes, "is complete", complete)
	c.write(func(d *draft) {
		d.phase(comes, layout.Serving)
		d.first(comes)
	})
	c.tell(comes)
	listed()
}
