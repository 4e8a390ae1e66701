package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/objects"
)

func (r *Reconciler) observeSecret(ctx context.Context, w *world) error {
	ref := objects.SecretKeyRef(w.cluster)
	own := w.cluster.Spec.SecretRef == nil
	s := &corev1.Secret{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: w.cluster.Namespace, Name: ref.Name}, s)
	switch {
	case apierrors.IsNotFound(err) && own && w.record.Layout == nil:
		w.missing = true
		return nil
	case apierrors.IsNotFound(err) && own:
		w.halt(conditions.SecretNotFound, "Secret %s is gone, by which all keys and values are placed: restore it", ref.Name)
		return nil
	case apierrors.IsNotFound(err):
		w.halt(conditions.SecretNotFound, "there is no Secret %s in namespace %s", ref.Name, w.cluster.Namespace)
		return nil
	case err != nil:
		return w.settle(fmt.Errorf("read the secret: %w", err))
	case own && w.record.Layout == nil && !metav1.IsControlledBy(s, w.cluster):
		// Later on the fingerprint tells whether a Secret is the right one, so that it can
		// be restored by anybody.
		w.halt(conditions.NameConflict, "%s; to use it, name it in secretRef", apply.Foreign(w.cluster, s, "Secret"))
		return nil
	}
	w.openSecret(s.Data, ref)
	return nil
}

// maxSecret is what a node accepts from seppen local too.
const maxSecret = 4096

func (w *world) openSecret(data map[string][]byte, ref v1alpha1.SecretReference) {
	text, ok := data[ref.Key]
	text = uid.TrimLine(text)
	if !ok {
		w.halt(conditions.SecretInvalid, "Secret %s has no key %q", ref.Name, ref.Key)
		return
	}
	if len(text) == 0 || len(text) > maxSecret {
		w.halt(conditions.SecretInvalid, "key %q of Secret %s has %d bytes: must be 1 to %d", ref.Key, ref.Name, len(text), maxSecret)
		return
	}
	secret, err := uid.NewSecret(text)
	if err != nil {
		w.halt(conditions.SecretInvalid, "key %q of Secret %s: %s", ref.Key, ref.Name, err)
		return
	}
	if w.record.Layout != nil && w.record.Fingerprint != secret.Fingerprint() {
		w.halt(conditions.SecretChanged, "key %q of Secret %s is not the secret that the cluster started with, by which all keys and values are placed: restore it", ref.Key, ref.Name)
		return
	}
	w.secret = secret
}

// canTell tells whether nodes can be told of a layout. Connections outlast the secret that they
// were made with: while it is gone, or another one lies in its place, nodes that die are still
// removed.
func (w *world) canTell() bool {
	return w.secret != nil || w.record.Layout != nil && w.roster != nil
}

// fingerprint is that of the secret which the cluster began with, also while it is not to be had.
func (w *world) fingerprint() string {
	if w.record.Layout != nil {
		return w.record.Fingerprint
	}
	return w.secret.Fingerprint()
}
