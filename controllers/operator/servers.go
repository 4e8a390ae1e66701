package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// server is one that tells how the operator is. They run as long as the process, whatever becomes
// of managers.
type server interface {
	Start(ctx context.Context) error
}

// none is the address of a server that is not wanted.
const none = "0"

// answerTime is for how long the API server's answer is waited for: a kubelet waits 2 s.
const answerTime = time.Second

func (o *options) servers(config *rest.Config) ([]server, error) {
	var out []server
	if o.health != "" && o.health != none {
		h, err := newHealth(o.health, config)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	if o.metrics != none {
		m, err := metricsserver.NewServer(metricsserver.Options{BindAddress: o.metrics}, config, http.DefaultClient)
		if err != nil {
			return nil, fmt.Errorf("serve metrics: %w", err)
		}
		out = append(out, m)
	}
	return out, nil
}

// health serves /healthz, which says that the process runs, and /readyz, which says that the API
// server answers it: whatever the answer, as it may not allow to be asked.
type health struct {
	address string
	api     *http.Client
	url     string
}

func newHealth(address string, config *rest.Config) (*health, error) {
	limited := rest.CopyConfig(config)
	limited.Timeout = answerTime
	api, err := rest.HTTPClientFor(limited)
	if err != nil {
		return nil, fmt.Errorf("ask the API server whether it is there: %w", err)
	}
	url, _, err := rest.DefaultServerUrlFor(limited)
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	return &health{address: address, api: api, url: url.JoinPath("version").String()}, nil
}

func (h *health) Start(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", h.address)
	if err != nil {
		return fmt.Errorf("serve health: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/healthz", http.StripPrefix("/healthz", &healthz.Handler{}))
	mux.Handle("/readyz", http.StripPrefix("/readyz", &healthz.Handler{Checks: map[string]healthz.Checker{"api": h.reaches}}))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 90 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health: %w", err)
	}
	return nil
}

// reaches asks the API server for its version.
func (h *health) reaches(r *http.Request) error {
	ask, err := http.NewRequestWithContext(r.Context(), http.MethodGet, h.url, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := h.api.Do(ask)
	if err != nil {
		return fmt.Errorf("the API server does not answer: %w", err)
	}
	return answer.Body.Close()
}
