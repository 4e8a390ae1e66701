package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// gather is how long news are gathered before a cluster is looked at: a large one that
// starts or restarts has many at a time, and one look sees them all.
const gather = 100 * time.Millisecond

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// gathered is a handler whose requests wait for others of the same cluster.
type gathered struct{ handler.EventHandler }

func (g gathered) Create(ctx context.Context, e event.CreateEvent, q queue) {
	g.EventHandler.Create(ctx, e, patient{q})
}

func (g gathered) Update(ctx context.Context, e event.UpdateEvent, q queue) {
	g.EventHandler.Update(ctx, e, patient{q})
}

func (g gathered) Delete(ctx context.Context, e event.DeleteEvent, q queue) {
	g.EventHandler.Delete(ctx, e, patient{q})
}

func (g gathered) Generic(ctx context.Context, e event.GenericEvent, q queue) {
	g.EventHandler.Generic(ctx, e, patient{q})
}

// patient is a queue that takes a request up only after a while, once.
type patient struct{ queue }

func (p patient) Add(r reconcile.Request) { p.AddAfter(r, gather) }
