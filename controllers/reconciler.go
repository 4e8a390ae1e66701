// Package controllers is the operator's work: it turns a SeppenCluster into nodes and
// is the author of their layouts. One reconcile reads as four phases, observe → plan →
// apply → status; docs/operator.md has the idea.
package controllers

import (
	"context"
	"errors"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/proof"
)

// look is the time between two looks at a cluster where nothing happens: how old the
// figures in its status may be, and how soon a Secret that was missing is found.
const look = 10 * time.Second

// After an error a cluster is tried again so soon at first, and so late at last: nodes that die
// wait for it.
const (
	minRetry = 50 * time.Millisecond
	maxRetry = 2 * time.Second
)

// Reconciler brings clusters about.
type Reconciler struct {
	Client client.Client // reads from the caches
	Live   client.Reader // reads from the API server
	Events events.EventRecorder

	NodeImage string           // of nodes whose resource names none
	Namespace string           // the operator's; empty: unknown
	PeerPort  int32            // of the nodes; 0: the usual one
	Now       func() time.Time // nil: time.Now

	rosters  rosters
	homes    proof.Memory // of pods
	machines machines
	written  written  // statuses
	absences absences // of pods
	refusals refusals // of objects
}

// SetupWithManager has a manager run the reconciler, for so many clusters at a time.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, concurrency int) error {
	wake := make(chan event.GenericEvent, 1024)
	r.rosters.wake = func(key types.NamespacedName) {
		c := &v1alpha1.SeppenCluster{}
		c.Namespace, c.Name = key.Namespace, key.Name
		select {
		case wake <- event.GenericEvent{Object: c}:
		default: // so much is going on that a look is due anyway
		}
	}
	owned := handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.SeppenCluster{}, handler.OnlyControllerOwner())
	return ctrl.NewControllerManagedBy(mgr).
		Named("seppencluster").
		// The status is ours: its changes are no news.
		For(&v1alpha1.SeppenCluster{}, builder.WithPredicates(predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&appsv1.StatefulSet{}, gathered{owned}).
		Watches(&corev1.Service{}, gathered{owned}).
		Watches(&policyv1.PodDisruptionBudget{}, gathered{owned}).
		Watches(&networkingv1.NetworkPolicy{}, gathered{owned}).
		Watches(&corev1.Pod{}, witness{gathered{handler.EnqueueRequestsFromMapFunc(clusterOf)}, r}).
		WatchesRawSource(source.Channel(wake, gathered{&handler.EnqueueRequestForObject{}})).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](minRetry, maxRetry),
		}).
		Complete(r)
}

// Close closes the connections to all nodes. What is still being reconciled makes none.
func (r *Reconciler) Close() { r.rosters.close() }

// clusterOf names the cluster whose node runs in a pod.
func clusterOf(_ context.Context, pod client.Object) []reconcile.Request {
	l := pod.GetLabels()
	if l["app.kubernetes.io/name"] != objects.AppName || l["app.kubernetes.io/component"] != objects.NodeComponent {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: l["app.kubernetes.io/instance"]}}}
}

// Reconcile takes a cluster one step on.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	c := &v1alpha1.SeppenCluster{}
	err := r.Client.Get(ctx, req.NamespacedName, c)
	switch {
	case apierrors.IsNotFound(err):
		return ctrl.Result{}, r.ended(ctx, req.NamespacedName, nil)
	case err != nil:
		return ctrl.Result{}, err
	case !c.DeletionTimestamp.IsZero():
		return ctrl.Result{}, r.ended(ctx, req.NamespacedName, c)
	}
	if err := r.endEarlier(ctx, c); err != nil {
		return later(ctx, err)
	}
	w, err := r.observe(ctx, c)
	if err != nil {
		return later(ctx, err)
	}
	p := w.plan(r.NodeImage, r.Namespace)
	failed := r.apply(ctx, w, p)
	if err := r.report(ctx, w, p); err != nil {
		return later(ctx, errors.Join(failed, err))
	}
	if failed != nil {
		return later(ctx, failed)
	}
	return ctrl.Result{RequeueAfter: w.again(p)}, nil
}

// later has a reconcile done again. That somebody else was quicker is no error: the
// next look sees what they did.
func later(ctx context.Context, err error) (ctrl.Result, error) {
	wait := soon
	switch {
	case errors.Is(err, apply.ErrForeign):
		wait = time.Second
	case !apierrors.IsConflict(err) && !errors.Is(err, layouts.ErrChanged):
		return ctrl.Result{}, err
	}
	log.FromContext(ctx).V(1).Info("somebody was quicker", "error", err.Error())
	return ctrl.Result{RequeueAfter: wait}, nil
}

func (r *Reconciler) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
