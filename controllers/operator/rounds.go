package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// pause is the time between two managers.
const pause = time.Second

// serve works until ctx ends, and tells how it is.
func (o *options) serve(ctx context.Context, config *rest.Config) error {
	servers, err := o.servers(config)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, server := range servers {
		g.Go(func() error { return server.Start(ctx) })
	}
	g.Go(func() error { return o.work(ctx, config) })
	return g.Wait()
}

// work runs one manager after the other. A manager ends when the API server did not answer for so
// long that the lease may be lost (10 s). If the process ended with it, Kubernetes would make it
// wait before each start, up to five minutes, and nobody would remove nodes that die meanwhile.
func (o *options) work(ctx context.Context, config *rest.Config) error {
	for {
		err := o.round(ctx, config)
		if ctx.Err() != nil || errors.Is(err, errSettings) {
			return err
		}
		ctrl.Log.Info("begins anew", "because", fmt.Sprint(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// errSettings: no manager can be made, which asks nothing of the API server and would fail again.
var errSettings = errors.New("cannot begin")

// round runs one manager. Nothing of it is left to the next one.
func (o *options) round(ctx context.Context, config *rest.Config) error {
	mgr, reconciler, err := newManager(config, o)
	if err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	defer reconciler.Close()
	if err := metrics.Registry.Register(reconciler); err != nil {
		return fmt.Errorf("%w: %w", errSettings, err)
	}
	defer metrics.Registry.Unregister(reconciler)
	return mgr.Start(ctx)
}
