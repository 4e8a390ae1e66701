package controllers

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/controllers/objects"
)

func (r *Reconciler) observeSets(ctx context.Context, w *world) error {
	list := &appsv1.StatefulSetList{}
	if err := r.list(ctx, w, list); err != nil {
		return err
	}
	w.sets = make(map[string]*appsv1.StatefulSet, len(list.Items))
	for i := range list.Items {
		w.sets[list.Items[i].Name] = &list.Items[i]
	}
	return nil
}

func (r *Reconciler) observePods(ctx context.Context, w *world) error {
	list := &corev1.PodList{}
	if err := r.list(ctx, w, list); err != nil {
		return err
	}
	w.pods, w.earlier = make(map[string]*corev1.Pod, len(list.Items)), make(map[string]*corev1.Pod)
	proven := w.proven()
	for i := range list.Items {
		pod := &list.Items[i]
		if proven[pod.UID] || w.owns(pod) {
			w.pods[pod.Name] = pod
			r.homes.See(client.ObjectKeyFromObject(w.cluster), pod, r.now())
			continue
		}
		w.earlier[pod.Name] = pod
	}
	r.observeAbsences(w)
	return nil
}

// owns tells whether a StatefulSet of the cluster's controls a pod.
func (w *world) owns(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return false
	}
	set := w.sets[owner.Name]
	return set != nil && set.UID == owner.UID && metav1.IsControlledBy(set, w.cluster)
}

// proven are pods that are the cluster's whatever controls them now: a member lives in them, or
// they were found to be the cluster's before. If somebody deletes a StatefulSet another one is
// made, which does not control the pod of the first, and that pod may have the only copy.
//
// There is never another pod with such a UID, and never two pods of one name at a time.
func (w *world) proven() map[types.UID]bool {
	out := make(map[types.UID]bool)
	if w.record.Layout != nil {
		for i := range w.record.Layout.Members {
			out[types.UID(w.record.Layout.Members[i].Home)] = true
		}
	}
	// One that is a member no more has to hear of that.
	if w.roster != nil {
		for _, s := range w.roster.Look() {
			out[types.UID(s.Pod)] = true
		}
	}
	return out
}

func (r *Reconciler) list(ctx context.Context, w *world, list client.ObjectList) error {
	err := r.Client.List(ctx, list, client.InNamespace(w.cluster.Namespace), client.MatchingLabels(objects.Labels(w.cluster.Name)))
	if err != nil {
		return fmt.Errorf("list %T: %w", list, err)
	}
	return nil
}

func (r *Reconciler) observeServices(ctx context.Context, w *world) error {
	w.have = make(map[string]client.Object)
	return errors.Join(
		r.get(ctx, w, "headless", objects.HeadlessName(w.cluster), &corev1.Service{}),
		r.get(ctx, w, "client", w.cluster.Name, &corev1.Service{}),
	)
}

func (r *Reconciler) observePolicies(ctx context.Context, w *world) error {
	return errors.Join(
		r.get(ctx, w, "budget", w.cluster.Name, &policyv1.PodDisruptionBudget{}),
		r.get(ctx, w, "network", w.cluster.Name, &networkingv1.NetworkPolicy{}),
	)
}

func (r *Reconciler) get(ctx context.Context, w *world, what, name string, into client.Object) error {
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: w.cluster.Namespace, Name: name}, into)
	if err == nil {
		w.have[what] = into
		return nil
	}
	return client.IgnoreNotFound(err)
}
