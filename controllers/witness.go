package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

// witness is a handler of pods that remembers what it sees of them: a pod that is deleted
// tells of the end of its process and is gone before anybody looks.
type witness struct {
	handler.EventHandler
	*Reconciler
}

func (w witness) see(o client.Object) {
	pod, ok := o.(*corev1.Pod)
	if !ok {
		return
	}
	for _, r := range clusterOf(context.Background(), pod) {
		w.homes.See(r.NamespacedName, pod, w.now())
	}
}

func (w witness) Create(ctx context.Context, e event.CreateEvent, q queue) {
	w.see(e.Object)
	w.EventHandler.Create(ctx, e, q)
}

func (w witness) Update(ctx context.Context, e event.UpdateEvent, q queue) {
	w.see(e.ObjectNew)
	w.EventHandler.Update(ctx, e, q)
}

func (w witness) Delete(ctx context.Context, e event.DeleteEvent, q queue) {
	w.see(e.Object)
	w.EventHandler.Delete(ctx, e, q)
}
