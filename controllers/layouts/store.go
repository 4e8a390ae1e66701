// Package layouts is where a cluster's layout is durable: a ConfigMap that is written by
// compare-and-swap only, and read past any cache.
package layouts

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/objects"
)

var (
	// ErrChanged: somebody else wrote since the record was read. Read again.
	ErrChanged = errors.New("was written by somebody else meanwhile")
	// ErrGone: the ConfigMap was deleted, or is being deleted.
	ErrGone = errors.New("is gone or is being deleted")
	// ErrUnreadable: the ConfigMap is there and holds no layout that can be read. That
	// must not be taken for a cluster without a layout, which would be bootstrapped.
	ErrUnreadable = errors.New("does not hold a layout that can be read")
	// ErrForeign: the ConfigMap is not this cluster's.
	ErrForeign = apply.ErrForeign
)

// Store reads and writes the layouts of clusters.
type Store struct {
	Reader client.Reader // live: it must not answer from a cache
	Writer client.Writer
}

// Read returns the layout of a cluster, or a record without one if none was written.
func (s *Store) Read(ctx context.Context, c *v1alpha1.SeppenCluster) (*Record, error) {
	id, err := ClusterID(c)
	if err != nil {
		return nil, err
	}
	m := &corev1.ConfigMap{}
	err = s.Reader.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: objects.LayoutName(c)}, m)
	switch {
	case apierrors.IsNotFound(err):
		return &Record{}, nil
	case err != nil:
		return nil, fmt.Errorf("read ConfigMap %s: %w", objects.LayoutName(c), err)
	}
	if err := apply.Foreign(c, m, "ConfigMap"); err != nil {
		return nil, err
	}
	if !m.DeletionTimestamp.IsZero() {
		return nil, fmt.Errorf("ConfigMap %s %w", m.Name, ErrGone)
	}
	return decode(id, m)
}

// Write makes next durable in place of prev, which Read or Write returned, and returns
// what a live read brings back: only that may be given to nodes (I6, F14). The layout is the
// next one, or the same where only the nodes change, or the shape. With any error
// but ErrChanged, ErrGone and those of next itself it is unknown whether it was written;
// Read tells.
func (s *Store) Write(ctx context.Context, c *v1alpha1.SeppenCluster, prev *Record, next Content) (*Record, error) {
	id, err := ClusterID(c)
	if err != nil {
		return nil, err
	}
	if err := follows(id, prev, &next); err != nil {
		return nil, err
	}
	if err := s.swap(ctx, c, prev, &next); err != nil {
		return nil, err
	}
	now, err := s.Read(ctx, c)
	switch {
	case err != nil:
		return nil, err
	case now.Layout == nil:
		return nil, fmt.Errorf("ConfigMap %s %w", objects.LayoutName(c), ErrGone)
	case !now.Same(&next):
		return nil, fmt.Errorf("ConfigMap %s %w", objects.LayoutName(c), ErrChanged)
	}
	return now, nil
}

// Same tells whether two are the same in all that is read again.
func (c *Content) Same(d *Content) bool {
	if (c.Layout == nil) != (d.Layout == nil) || c.Layout != nil && c.Layout.Hash() != d.Layout.Hash() {
		return false
	}
	return c.Fingerprint == d.Fingerprint && c.Serial == d.Serial && slices.Equal(c.Names, d.Names) && slices.Equal(c.Shape, d.Shape)
}

// follows tells why next cannot come after prev, if it cannot.
func follows(id layout.ID, prev *Record, next *Content) error {
	if next.Layout == nil {
		return errors.New("there is no layout to write")
	}
	if err := succeeds(prev, next.Layout); err != nil {
		return err
	}
	if next.Layout.Cluster != id {
		return fmt.Errorf("layout %d is of cluster %s, not of %s", next.Layout.Epoch, next.Layout.Cluster, id)
	}
	if next.Serial < prev.Serial {
		return fmt.Errorf("serial %d cannot be written where %d was given out", next.Serial, prev.Serial)
	}
	if err := keepsShape(prev, next); err != nil {
		return err
	}
	for i := range next.Layout.Members {
		if m := &next.Layout.Members[i]; !slices.Contains(next.Names, m.Name) {
			return fmt.Errorf("layout %d is not written: its member %s would be of no node", next.Layout.Epoch, m.Name)
		}
	}
	// What could not be read again must not be written.
	if _, err := layout.Decode(next.Layout.Encode()); err != nil {
		return fmt.Errorf("layout %d is not written: %w", next.Layout.Epoch, err)
	}
	return nil
}

// keepsShape tells why a shape cannot come after that of prev, if it cannot: one that was
// written becomes another one, never none.
func keepsShape(prev *Record, next *Content) error {
	if len(next.Shape) == 0 && len(prev.Shape) > 0 {
		return fmt.Errorf("layout %d is not written: the shape would be forgotten", next.Layout.Epoch)
	}
	if err := covers(next.Shape); err != nil {
		return fmt.Errorf("layout %d is not written: its shape: %w", next.Layout.Epoch, err)
	}
	return nil
}

// succeeds tells why a layout cannot come after that of prev, if it cannot.
func succeeds(prev *Record, next *layout.Layout) error {
	epoch := uint64(1)
	if prev.Layout != nil {
		if prev.at == nil {
			return errors.New("the layout before was not read from anywhere")
		}
		if next.Hash() == prev.Layout.Hash() {
			return nil
		}
		epoch = prev.Layout.Epoch + 1
	}
	if next.Epoch != epoch {
		return fmt.Errorf("layout %d cannot be written where layout %d is due", next.Epoch, epoch)
	}
	return nil
}

// swap writes if what is there is still what prev was read from.
func (s *Store) swap(ctx context.Context, c *v1alpha1.SeppenCluster, prev *Record, next *Content) error {
	m := encode(c, prev, next)
	var err error
	if prev.Layout == nil {
		err = s.Writer.Create(ctx, m, client.FieldOwner(apply.FieldOwner))
	} else {
		// With the resourceVersion and the UID that were read.
		err = s.Writer.Update(ctx, m, client.FieldOwner(apply.FieldOwner))
	}
	switch {
	case apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err):
		return fmt.Errorf("ConfigMap %s %w", m.Name, ErrChanged)
	case apierrors.IsNotFound(err) && prev.Layout != nil:
		return fmt.Errorf("ConfigMap %s %w", m.Name, ErrGone)
	case err != nil:
		return fmt.Errorf("write ConfigMap %s: %w", m.Name, err)
	}
	return nil
}
