package operator

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// soonAfter is how long it may take until all is done when the API server is back: much less than
// until the lease of an operator that is gone runs out.
const soonAfter = 15 * time.Second

// process is all of `seppen operator` but its flags.
type process struct {
	*options
	t      *testing.T
	cancel context.CancelFunc
	done   chan error
}

func (s *site) process(config *rest.Config) *process {
	s.t.Helper()
	o := &options{
		namespaces: []string{s.namespace}, concurrency: 4, nodeImage: "seppen:test", peerPort: s.port,
		leaderElect: true, leaseNamespace: s.namespace, identity: "one",
		lease:   lease{duration: 2 * soonAfter, renew: 2 * time.Second, retry: 200 * time.Millisecond},
		metrics: fmt.Sprintf("127.0.0.1:%d", freePort(s.t)), health: fmt.Sprintf("127.0.0.1:%d", freePort(s.t)),
	}
	o.controller.RecoverPanic = new(false)
	ctx, cancel := context.WithCancel(ctrl.LoggerInto(context.Background(), ctrl.Log))
	p := &process{options: o, t: s.t, cancel: cancel, done: make(chan error, 1)}
	go func() { p.done <- o.serve(ctx, config) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-p.done; err != nil {
			s.t.Errorf("the operator ended: %v", err)
		}
	})
	return p
}

// answers waits until a path of one of its ports gives a code.
func (p *process) answers(address, path string, code int) {
	p.t.Helper()
	kubetest.Eventually(p.t, func() error {
		ask, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(ask)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != code {
			return fmt.Errorf("%s says %d", path, answer.StatusCode)
		}
		return nil
	})
}

// lost waits until the operator cannot but have lost its lease.
func (s *site) lost(p *process) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		l := &coordinationv1.Lease{}
		if err := s.Client.Get(s.t.Context(), s.key(leaseName), l); err != nil {
			return err
		}
		if age := time.Since(l.Spec.RenewTime.Time); age < 3*p.lease.renew {
			return fmt.Errorf("the lease was renewed %s ago", age)
		}
		return nil
	})
}

// The API server is away when the operator starts, and again in the middle of a change, while a node dies.
// The process goes on, says that it is not ready, and ends what was begun soon after it is back.
func TestOutage(t *testing.T) {
	for name, away := range map[string]func(*gate){
		"nobody can connect": (*gate).shut, "no answer comes": (*gate).jam,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.kubelet.Graceful()
			g, through := newGate(t, s.Config)
			away(g)
			p := s.process(through)
			p.answers(p.health, "/readyz", http.StatusInternalServerError)
			p.answers(p.health, "/healthz", http.StatusOK)
			p.answers(p.metrics, "/metrics", http.StatusOK)
			g.open()
			p.answers(p.health, "/readyz", http.StatusOK)
			s.create("snow", shape(3, 2))
			s.becomes("snow")

			s.kubelet.Slow(true)
			s.edit("snow", shape(4, 2))
			s.says("snow", "Progressing", metav1.ConditionTrue, "Scaling")
			s.joining("snow")
			away(g)
			s.kubelet.Crash(ring[1])
			s.kubelet.Slow(false)
			for _, n := range s.kubelet.Nodes() {
				n.Hold(false)
			}
			s.lost(p)
			p.answers(p.health, "/healthz", http.StatusOK)
			p.answers(p.metrics, "/metrics", http.StatusOK)
			g.open()
			back := time.Now()
			if c := s.becomes("snow"); len(c.Status.LostSlots) > 0 {
				t.Error(tell(c))
			}
			if took := time.Since(back); took > soonAfter {
				t.Errorf("it took %s", took)
			}
			s.agreed()
		})
	}
}

// joining waits until somebody is.
func (s *site) joining(name string) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		for _, m := range s.layout(name).Members {
			if m.Phase == layout.Joining {
				return nil
			}
		}
		return fmt.Errorf("nobody joins; %s", tell(s.cluster(name)))
	})
}
