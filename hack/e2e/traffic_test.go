package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// traffic are clients that write, and read from another pod what they wrote. None of
// their requests may fail, and hardly any be refused at first.
type traffic struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	rounds  int
	refused int
	failed  []string
}

const trafficClients = 4

func startTraffic(t *testing.T, c cluster) *traffic {
	service := &corev1.Service{}
	if err := get(t.Context(), c.namespace, c.name, service); err != nil {
		t.Fatal(err)
	}
	ways := []store{{url: "http://" + service.Spec.ClusterIP + ":21285"}}
	for _, p := range c.podsNow(t) {
		ways = append(ways, at(p))
	}
	// It goes on from one step of a feature to the next.
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{cancel: cancel}
	for client := range trafficClients {
		tr.done.Go(func() {
			pace := time.NewTicker(20 * time.Millisecond)
			defer pace.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				tr.round(ctx, ways, client, i)
				<-pace.C
			}
		})
	}
	return tr
}

// round replaces a value through one way and reads it through the next.
func (tr *traffic) round(ctx context.Context, ways []store, client, i int) {
	key, value := fmt.Sprintf("/traffic/%d/%d", client, i%20), fmt.Sprintf("value %d of client %d", i, client)
	to, from := ways[i%len(ways)], ways[(i+1)%len(ways)]
	put, refused, err := to.askAgain(ctx, "PUT", key, value)
	if err == nil && put.status != http.StatusCreated && put.status != http.StatusNoContent {
		err = fmt.Errorf("PUT %s through %s: %d %s", key, to.url, put.status, put.body)
	}
	if err == nil {
		var got reply
		var again int
		got, again, err = from.askAgain(ctx, "GET", key, "")
		refused += again
		if err == nil && (got.status != http.StatusOK || got.body != value) {
			err = fmt.Errorf("GET %s through %s: %d %q, not %q", key, from.url, got.status, got.body, value)
		}
	}
	if ctx.Err() != nil {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.rounds++
	tr.refused += refused
	if err != nil {
		tr.failed = append(tr.failed, time.Now().Format(time.TimeOnly)+" "+err.Error())
	}
}

// goesOn waits until each client has done a hundred more rounds, without a failure.
func (tr *traffic) goesOn(t *testing.T) {
	t.Helper()
	begin := tr.count(t)
	eventually(t, time.Minute, func() error {
		if n := tr.count(t) - begin; n < 100*trafficClients {
			return fmt.Errorf("%d rounds", n)
		}
		return nil
	})
}

func (tr *traffic) count(t *testing.T) int {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if n := len(tr.failed); n > 0 {
		t.Fatalf("%d of %d rounds failed:\n%s", n, tr.rounds, strings.Join(tr.failed[:min(n, 10)], "\n"))
	}
	if tr.refused > 10+tr.rounds/100 {
		t.Fatalf("%d requests of %d rounds were refused at first", tr.refused, tr.rounds)
	}
	return tr.rounds
}

func (tr *traffic) stop(t *testing.T) {
	t.Helper()
	tr.cancel()
	tr.done.Wait()
	t.Logf("%d rounds of a write and a read, none failed, %d repeated", tr.count(t), tr.refused)
}
