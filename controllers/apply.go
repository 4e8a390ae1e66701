package controllers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"golang.org/x/sync/errgroup"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
)

// parallel is how many objects of a cluster are written at a time.
const parallel = 16

// apply does what was planned. What a person has to put right is kept as the world's
// stop, other errors are returned; what does not depend on them is done all the same. The
// layout is first, as keys wait for it.
func (r *Reconciler) apply(ctx context.Context, w *world, p *plan) error {
	return errors.Join(
		r.writeRecord(ctx, w, p),
		r.makeSecret(ctx, w, p),
		r.applyObjects(ctx, w, p),
		r.drop(ctx, w, p),
	)
}

func (r *Reconciler) makeSecret(ctx context.Context, w *world, p *plan) error {
	if !p.makeSecret {
		return nil
	}
	random := make([]byte, 32)
	rand.Read(random) // it never fails: it ends the process instead
	s := objects.Secret(w.cluster, []byte(base64.RawURLEncoding.EncodeToString(random)))
	// Create and nothing else: a secret that exists is never written.
	err := r.Client.Create(ctx, s, client.FieldOwner(apply.FieldOwner))
	if err == nil {
		p.retry = true
		log.FromContext(ctx).Info("made the secret", "secret", s.Name)
	}
	return w.settle(err)
}

func (r *Reconciler) applyObjects(ctx context.Context, w *world, p *plan) error {
	applier := apply.Applier{Client: r.Client}
	errs := make([]error, len(p.objects))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, o := range p.objects {
		g.Go(func() error {
			errs[i] = r.applyObject(ctx, applier, w, o)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs, in the objects' order
	var left []error
	for _, err := range errs {
		left = append(left, w.settle(err))
	}
	return errors.Join(left...)
}

// applyObject applies one, if it is not too early to try it again.
func (r *Reconciler) applyObject(ctx context.Context, applier apply.Applier, w *world, o wanted) error {
	kind := fmt.Sprintf("%T", o.want)
	if err := r.refusals.of(kind, o.want, w.now); err != nil {
		return err
	}
	_, err := applier.Object(ctx, w.cluster, o.want, o.have)
	r.refusals.keep(kind, o.want, err, w.now)
	return err
}

// settle keeps what a person has to put right as the world's stop and returns the rest.
func (w *world) settle(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, apply.ErrForeign):
		w.halt(conditions.NameConflict, "%s", err)
		return nil
	case isRefusal(err):
		w.halt(conditions.ApplyFailed, "%s", err)
		return nil
	}
	return err
}

// refused tells whether the API server will say the same again.
func refused(code int) bool {
	return code == http.StatusUnprocessableEntity || code == http.StatusForbidden || code == http.StatusBadRequest
}

// drop deletes what the plan found to hold nothing. It may have been planned before a
// long pause (F16): the versions make sure that nothing happened to the objects since, and
// the layout and the nodes that it went by must still be the ones.
func (r *Reconciler) drop(ctx context.Context, w *world, p *plan) error {
	if len(p.dropSets)+len(p.dropPods) == 0 {
		return nil
	}
	record, err := r.layouts().Read(ctx, w.cluster)
	if err != nil {
		return err
	}
	if !record.Same(&w.record.Content) {
		return fmt.Errorf("delete what holds nothing: the layout %w", layouts.ErrChanged)
	}
	var errs []error
	for _, set := range p.dropSets {
		errs = append(errs, w.settle(r.delete(ctx, set)))
	}
	for _, pod := range p.dropPods {
		errs = append(errs, w.settle(r.delete(ctx, pod)))
	}
	return errors.Join(errs...)
}

func (r *Reconciler) delete(ctx context.Context, o client.Object) error {
	uid, version := o.GetUID(), o.GetResourceVersion()
	err := r.Client.Delete(ctx, o, client.Preconditions{UID: &uid, ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete %T %s: %w", o, o.GetName(), err)
	}
	log.FromContext(ctx).Info("deleted what holds nothing", "kind", fmt.Sprintf("%T", o), "name", o.GetName())
	return nil
}

// writeRecord makes the next layout durable, or the nodes, and then, not before, lets the nodes
// have the layout (I6).
func (r *Reconciler) writeRecord(ctx context.Context, w *world, p *plan) error {
	if p.next == nil || !w.canTell() {
		return nil
	}
	next := *p.next
	next.Fingerprint = w.fingerprint()
	record, err := r.layouts().Write(ctx, w.cluster, w.record, next)
	if err != nil {
		return fmt.Errorf("write layout %d: %w", next.Layout.Epoch, err)
	}
	w.stepped = w.record.Layout == nil || record.Layout.Epoch != w.record.Layout.Epoch
	w.wrote = true
	w.record = record
	log.FromContext(ctx).Info("next layout", "epoch", record.Layout.Epoch, "step", p.step, "added", spell(p.nodes.Added), "dropped", spell(p.nodes.Dropped))
	w.roster.Publish(record.Layout)
	return nil
}

func spell(names []layout.Name) string {
	var out []string
	for _, n := range names {
		out = append(out, n.String())
	}
	return strings.Join(out, " ")
}
