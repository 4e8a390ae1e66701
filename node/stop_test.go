package node

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// A node that is told to stop accepts nothing more, finishes what clients have begun,
// for which it needs the others, and ends without an error.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	c := startCluster(t, 3, 2, plenty, nil)
	value, other := c.valueAt(200<<10, 2, 1), c.valueAt(8<<20, 2, 1)
	theirs, stored := c.keyAt(2, 1), c.keyAt(1, 0)
	c.do(1, "PUT", stored, other)

	body, in := io.Pipe()
	req, err := http.NewRequest("PUT", c.nodes[0].url+"/"+theirs, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(len(value))
	put := make(chan int, 1)
	go func() {
		resp, err := c.client.Do(req)
		if err != nil {
			put <- 0
			return
		}
		resp.Body.Close()
		put <- resp.StatusCode
	}()
	if _, err := in.Write(value[:100<<10]); err != nil {
		t.Fatal(err)
	}
	get, err := c.client.Get(c.nodes[0].url + "/" + stored) // its body is not read yet
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()

	stopped := make(chan error, 1)
	go func() { stopped <- c.nodes[0].stop() }()
	c.eventually(func() bool {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
		resp, err := fresh.Get(c.nodes[0].url + "/" + stored)
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	}, "nothing more is accepted")
	if c.nodes[0].Ready() == nil {
		t.Error("ready while it stops")
	}
	if _, err := in.Write(value[100<<10:]); err != nil {
		t.Error(err)
	}
	in.Close() //nolint:errcheck // a pipe's never fails
	if status := <-put; status != http.StatusCreated {
		t.Errorf("PUT that was in flight: %d", status)
	}
	if b, err := io.ReadAll(get.Body); err != nil || !bytes.Equal(b, other) {
		t.Errorf("GET that was in flight: %d bytes, %v", len(b), err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if r := c.do(1, "GET", theirs, nil); r.status != 200 || !bytes.Equal(r.body, value) {
		t.Errorf("what it wrote last, at another node: %d", r.status)
	}
}

// Before a node closes its peer port it finishes the writes that other nodes asked for
// and refuses new ones: a definite answer either way.
func TestDrainAnswersOtherNodes(t *testing.T) {
	c := startCluster(t, 1, 2, plenty, nil)
	table := layout.NewTable(c.layout)
	var keys []string // whose primary is the node that stops
	for i := 0; len(keys) < 16; i++ {
		key := fmt.Sprint("key-", i)
		if table.Owners(c.secret.KeySlot(key)).Primary.Incarnation == c.nodes[1].state.Incarnation() {
			keys = append(keys, key)
		}
	}
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i, key := range keys {
		wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-stop:
					return
				default:
				}
				r, err := c.try(0, http.MethodPut, key, []byte{byte(i), byte(j)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				statuses[r.status]++
				mu.Unlock()
			}
		})
	}
	count := func(status int) int {
		mu.Lock()
		defer mu.Unlock()
		return statuses[status]
	}
	c.eventually(func() bool { return count(http.StatusNoContent) > 200 }, "writes are under way")
	c.nodes[1].service.Drain(t.Context())
	c.eventually(func() bool { return count(http.StatusServiceUnavailable) > 20 }, "writes are refused")
	close(stop)
	wg.Wait()
	for status, n := range statuses {
		if status != http.StatusCreated && status != http.StatusNoContent && status != http.StatusServiceUnavailable {
			t.Errorf("%d writes were answered with %d", n, status)
		}
	}
}
