package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// answers reads keys that were acknowledged from all pods of a cluster, over and over,
// while something happens to it. A node may say that it does not know; what it says
// otherwise must be right.
type answers struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	right   map[string]int // by pod
	unknown int
	wrong   []string
}

func watchAnswers(t *testing.T, c cluster, pods []string, stored map[string]string) *answers {
	ctx, cancel := context.WithCancel(t.Context())
	a := &answers{cancel: cancel, right: make(map[string]int)}
	t.Cleanup(cancel)
	for _, pod := range pods {
		a.done.Go(func() {
			// So many requests and no more: other clusters run on this machine too.
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for ctx.Err() == nil {
				a.round(ctx, c, pod, stored, pace)
			}
		})
	}
	return a
}

// round reads each key once, from the pod that has the name now.
func (a *answers) round(ctx context.Context, c cluster, pod string, stored map[string]string, pace *time.Ticker) {
	// A look-up that is cut short is an error that client-go logs.
	p, err := c.pod(context.WithoutCancel(ctx), pod)
	for key, value := range stored {
		<-pace.C
		if err != nil || p.Status.PodIP == "" {
			return // there is none at the moment
		}
		r, err := at(p).ask(ctx, "GET", "/"+key, "")
		if err != nil {
			return // its process ended, or we do
		}
		a.judge(pod, key, value, r)
	}
}

func (a *answers) judge(pod, key, value string, r reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.status == http.StatusOK && r.body == value:
		a.right[pod]++
	case r.status == http.StatusServiceUnavailable || r.status == http.StatusGatewayTimeout:
		a.unknown++
	default:
		a.wrong = append(a.wrong, fmt.Sprintf("%s: %s is %d %q, not %q", pod, key, r.status, r.body, value))
	}
}

// stop ends the reading and fails the test if an answer was wrong, or if there was
// nothing to see.
func (a *answers) stop(t *testing.T) {
	t.Helper()
	a.cancel()
	a.done.Wait()
	if n := len(a.wrong); n > 0 {
		t.Errorf("%d wrong answers:\n%s", n, strings.Join(a.wrong[:min(n, 10)], "\n"))
	}
	t.Logf("right answers: %v, 503 or 504: %d", a.right, a.unknown)
	if a.unknown == 0 || len(a.right) < 2 {
		t.Error("the loss of a node was not seen: this tests nothing")
	}
}
