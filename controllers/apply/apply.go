// Package apply makes objects be as they are wanted: by server-side apply of what
// differs, and of nothing that is not the cluster's.
package apply

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldOwner is the manager that the operator's fields belong to.
const FieldOwner = "seppen-operator"

// Applier applies objects.
type Applier struct {
	// Client must not keep unstructured objects in a cache: through these the applier
	// looks whose an object is that the cache has not shown. That is a manager's default.
	Client client.Client
}

// Object sees that what exists has all that is wanted: nothing is sent if it does. want
// has a controller reference to owner in it. have is what the cache holds, nil if
// nothing. What others added to the object stays, what they changed is put back. It
// tells whether it wrote; an object that is somebody else's is ErrForeign and is not
// touched. An error that apierrors.IsConflict knows means that the cache is behind.
//
// What the API server fills in need not be wanted, except for fields whose Go type
// cannot be absent: a Service's port without targetPort is wanted to be 0 for ever.
func (a Applier) Object(ctx context.Context, owner metav1.Object, want, have client.Object) (bool, error) {
	w, err := a.encode(want)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", want.GetName(), err)
	}
	if isNil(have) {
		return a.create(ctx, owner, w)
	}
	kind := w.GetKind()
	if err := Foreign(owner, have, kind); err != nil {
		return false, err
	}
	if !have.GetDeletionTimestamp().IsZero() {
		return false, nil // what comes after it is made when it is gone
	}
	h, err := content(have)
	if err != nil {
		return false, fmt.Errorf("encode %s %s: %w", kind, have.GetName(), err)
	}
	if within(w.Object, h) {
		return false, nil
	}
	return a.update(ctx, owner, w, have)
}

func isNil(o client.Object) bool {
	if o == nil {
		return true
	}
	v := reflect.ValueOf(o)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// create applies an object that is not there. If there is one all the same, also one
// that no field of ours conflicts with, nothing happens to it: no object ever has this
// version, so the API server refuses.
func (a Applier) create(ctx context.Context, owner metav1.Object, w *unstructured.Unstructured) (bool, error) {
	const never = "1"
	w.SetResourceVersion(never)
	err := a.send(ctx, owner, w)
	var hidden *hiddenError
	if errors.As(err, &hidden) {
		// It is ours and the cache does not show it: it is young, or somebody took the label
		// away by which the cache knows ours.
		w.SetResourceVersion("")
		return a.update(ctx, owner, w, hidden.live)
	}
	return err == nil, err
}

// hiddenError: there is an object of the cluster's that the cache has not shown.
type hiddenError struct {
	live client.Object
	error
}

func (e *hiddenError) Unwrap() error { return e.error }

// update applies to the object that the cache holds, and to none that has come in its
// place since: that one has another UID.
func (a Applier) update(ctx context.Context, owner metav1.Object, w *unstructured.Unstructured, have client.Object) (bool, error) {
	w.SetUID(have.GetUID())
	err := a.send(ctx, owner, w, client.ForceOwnership)
	return err == nil, err
}

func (a Applier) send(ctx context.Context, owner metav1.Object, w *unstructured.Unstructured, opts ...client.ApplyOption) error {
	kind, uid := w.GetKind(), w.GetUID()
	refusal := a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(w), append(opts, client.FieldOwner(FieldOwner))...)
	if refusal == nil {
		return nil
	}
	if apierrors.IsConflict(refusal) || apierrors.IsInvalid(refusal) {
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(w.GroupVersionKind())
		// If it is gone again, or cannot be read, the refusal says what there is to say.
		if a.Client.Get(ctx, client.ObjectKeyFromObject(w), live) == nil {
			if err := Foreign(owner, live, kind); err != nil {
				return err
			}
			if live.GetUID() != uid {
				resource := schema.GroupResource{Group: w.GroupVersionKind().Group, Resource: kind}
				conflict := apierrors.NewConflict(resource, w.GetName(), errBehind)
				if refusal = conflict; uid == "" && live.GetDeletionTimestamp().IsZero() {
					refusal = &hiddenError{live: live, error: conflict}
				}
			}
		}
	}
	return fmt.Errorf("apply %s %s: %w", kind, w.GetName(), refusal)
}
