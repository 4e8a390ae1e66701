package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/client/kubectl/ring"
	"github.com/eiri/seppen/api/v1alpha1"
)

var errDeleted = errors.New("the cluster was deleted")

// follow tells see of a cluster as it is and at each change, until see is done. A watch that
// ends is begun anew: an API server may restart meanwhile.
func (p *plugin) follow(ctx context.Context, a *access, c *v1alpha1.SeppenCluster, see func(*v1alpha1.SeppenCluster) (bool, error)) error {
	for {
		done, err := a.followOnce(ctx, c, see)
		if done || err != nil && !transient(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(p.retryAfter):
		}
	}
}

// transient tells whether it is worth to ask again.
func transient(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return status.Status().Code >= 500 || status.Status().Code == 429 || apierrors.IsResourceExpired(err)
	}
	var network interface{ Timeout() bool } // those of package net
	return errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (a *access) followOnce(ctx context.Context, c *v1alpha1.SeppenCluster, see func(*v1alpha1.SeppenCluster) (bool, error)) (bool, error) {
	// First the watch, then what there is: so no change falls between the two.
	w, err := a.Watch(ctx, &v1alpha1.SeppenClusterList{}, client.InNamespace(c.Namespace), client.MatchingFields{"metadata.name": c.Name})
	if err != nil {
		return false, over(ctx, explain(err))
	}
	defer w.Stop()
	now := &v1alpha1.SeppenCluster{}
	switch err := a.Get(ctx, client.ObjectKeyFromObject(c), now); {
	case apierrors.IsNotFound(err):
		return true, errDeleted
	case err != nil:
		return false, over(ctx, err)
	}
	for {
		if done, err := see(now); done || err != nil {
			return done, over(ctx, err)
		}
		select {
		case <-ctx.Done():
			return true, context.Cause(ctx)
		case e, ok := <-w.ResultChan():
			if !ok {
				return false, nil
			}
			next, is := e.Object.(*v1alpha1.SeppenCluster)
			switch {
			case e.Type == watch.Error:
				return false, nil
			case is && next.Name == c.Name && e.Type == watch.Deleted:
				return true, errDeleted
			case is && next.Name == c.Name:
				now = next
			}
		}
	}
}

// over prefers the end of the context to the error that came of it.
func over(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// wait follows a change of a spec until the operator has nothing left to do for that
// generation, and tells what goes on.
func (p *plugin) wait(ctx context.Context, a *access, c *v1alpha1.SeppenCluster, timeout time.Duration, out io.Writer) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	began, last := p.now(), ""
	err := p.follow(ctx, a, c, func(now *v1alpha1.SeppenCluster) (bool, error) {
		done, text, err := progress(now, c.Generation)
		if text != last {
			last = text
			fmt.Fprintf(out, "%6s  %s\n", p.now().Sub(began).Round(time.Second), text)
		}
		return done, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not done within %v; it goes on: %s", timeout, last)
	}
	return err
}

// progress is how far the operator is with a generation of the spec.
func progress(c *v1alpha1.SeppenCluster, generation int64) (done bool, text string, err error) {
	is := meta.FindStatusCondition(c.Status.Conditions, "Progressing")
	if is == nil || is.ObservedGeneration < generation {
		return false, "The operator has not told of this change yet.", nil
	}
	text = fmt.Sprintf("%s: %s", is.Reason, ring.Printable(is.Message))
	switch {
	case is.Status != metav1.ConditionFalse:
		return false, text, nil
	case is.Reason == "Complete":
		return true, text, nil
	}
	return true, text, fmt.Errorf("it does not go on by itself: %s (docs/conditions.md has what to do)", text)
}
