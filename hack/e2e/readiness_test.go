package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
)

// readiness watches a pod whose process ended until it is ready again, as Kubernetes sees it
// and as the process itself says. Layouts are durable before a node hears of them, so
// whenever somebody calls it ready, the layout must say that its process serves.
type readiness struct {
	cluster cluster
	node    string
	before  layout.ID // the process that ended
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu     sync.Mutex
	unsure int // how often the process said that it is not ready
	sure   int // how often somebody said that it is
	wrong  []string
}

// watchReadiness begins before the process ends.
func (c cluster) watchReadiness(t *testing.T, node string) *readiness {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := &readiness{cluster: c, node: node, before: c.incarnations(t)[node], cancel: cancel}
	w, err := kube.Watch(ctx, &corev1.PodList{}, client.InNamespace(c.namespace), client.MatchingFields{"metadata.name": node})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	old := c.podsNow(t)[node]
	r.done.Go(func() { r.follow(ctx, w, old) })
	return r
}

// follow takes in what Kubernetes says, and asks the process itself meanwhile.
func (r *readiness) follow(ctx context.Context, w watch.Interface, old *corev1.Pod) {
	pod := old
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case e := <-w.ResultChan():
			if p, is := e.Object.(*corev1.Pod); is {
				pod = p
				if isPodReady(p) && containerOf(p) != containerOf(old) {
					r.isCalledReady(ctx, "Kubernetes")
				}
			}
		case <-again.C:
			r.ask(ctx, pod)
		}
	}
}

func containerOf(p *corev1.Pod) string {
	for _, s := range p.Status.ContainerStatuses {
		return s.ContainerID
	}
	return ""
}

// ask asks the process that listens now, which may still be the one that ends.
func (r *readiness) ask(ctx context.Context, p *corev1.Pod) {
	if p.Status.PodIP == "" {
		return
	}
	// A pod that is gone does not answer, and the next one must not be missed over it.
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	admin := store{url: "http://" + net.JoinHostPort(p.Status.PodIP, "21287")}
	answer, err := admin.ask(ctx, http.MethodGet, "/readyz", "")
	if err != nil {
		return
	}
	if answer.status != http.StatusOK {
		r.mu.Lock()
		r.unsure++
		r.mu.Unlock()
		return
	}
	said, err := admin.ask(ctx, http.MethodGet, "/status", "")
	var is struct{ Incarnation layout.ID }
	if err == nil && json.Unmarshal([]byte(said.body), &is) == nil && is.Incarnation != r.before {
		r.isCalledReady(context.WithoutCancel(ctx), "its process")
	}
}

func (r *readiness) isCalledReady(ctx context.Context, who string) {
	l, err := r.cluster.layout(ctx)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range l.Members {
		if m.Name.String() == r.node && m.Phase == layout.Serving {
			if m.Incarnation != r.before {
				r.sure++
			}
			return
		}
	}
	r.wrong = append(r.wrong, fmt.Sprintf("%s calls %s ready, and layout %d does not have it serve", who, r.node, l.Epoch))
}

// check ends the watch.
func (r *readiness) check(t *testing.T) {
	t.Helper()
	r.cancel()
	r.done.Wait()
	if len(r.wrong) > 0 {
		t.Errorf("%d times:\n%s", len(r.wrong), strings.Join(r.wrong[:min(len(r.wrong), 5)], "\n"))
	}
	if r.unsure == 0 || r.sure == 0 {
		t.Errorf("%s said %d times that it is not ready, and %d times it was: this tests nothing", r.node, r.unsure, r.sure)
	}
}
