package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
)

// dissolveTimeout is how long nodes may take to hear that the cluster is no more. Those that do
// not hear of it end when their grace period does.
const dissolveTimeout = 2 * time.Second

// ended sees to the end of a cluster, which is being deleted or is gone (nil). What was made for
// it carries its owner reference and is collected with it. That begins now if the resource is
// gone, or goes only after what it owns; other finalizers may want the data until then.
func (r *Reconciler) ended(ctx context.Context, key types.NamespacedName, c *v1alpha1.SeppenCluster) error {
	keeps := c != nil && slices.Contains(c.Finalizers, metav1.FinalizerOrphanDependents)
	if c != nil && !keeps && !slices.Contains(c.Finalizers, metav1.FinalizerDeleteDependents) {
		return nil
	}
	if left := r.rosters.get(key); left != nil && !keeps {
		kept, err := r.orphaned(ctx, key)
		if err != nil {
			return err
		}
		if !kept {
			tell, cancel := context.WithTimeout(ctx, dissolveTimeout)
			err := left.Dissolve(tell)
			cancel()
			log.FromContext(ctx).Info("told the nodes that the cluster is no more", "untold", fmt.Sprint(err))
		}
	}
	r.rosters.forget(key)
	r.homes.Keep(key, nil)
	r.written.forget(key)
	r.absences.see(key, nil, r.now())
	return nil
}

// endEarlier sees to the end of a cluster that had the name of this one: if a resource is deleted
// and made anew at once nobody may ever see that it was gone.
func (r *Reconciler) endEarlier(ctx context.Context, c *v1alpha1.SeppenCluster) error {
	id, err := layouts.ClusterID(c)
	key := client.ObjectKeyFromObject(c)
	if err != nil || !r.rosters.isOfAnother(key, id) {
		return err
	}
	// Nodes that were told cannot be told otherwise: it must not be the cache that is behind.
	now := &v1alpha1.SeppenCluster{}
	err = r.Live.Get(ctx, key, now)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("read SeppenCluster %s: %w", key, err)
	case err == nil && now.UID != c.UID:
		return fmt.Errorf("SeppenCluster %s %w", key, layouts.ErrChanged)
	}
	return r.ended(ctx, key, nil)
}

// orphaned tells whether what was made for a cluster is kept although that is gone: somebody
// deleted the resource alone.
func (r *Reconciler) orphaned(ctx context.Context, key types.NamespacedName) (bool, error) {
	sets := &appsv1.StatefulSetList{}
	err := r.Live.List(ctx, sets, client.InNamespace(key.Namespace), client.MatchingLabels(objects.Labels(key.Name)))
	if err != nil {
		return false, fmt.Errorf("list %T: %w", sets, err)
	}
	for i := range sets.Items {
		if metav1.GetControllerOf(&sets.Items[i]) == nil {
			return true, nil
		}
	}
	return false, nil
}
