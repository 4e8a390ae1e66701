package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
)

// layout is the durable one.
func (c cluster) layout(ctx context.Context) (*layout.Layout, error) {
	m := &corev1.ConfigMap{}
	if err := get(ctx, c.namespace, c.name+"-layout", m); err != nil {
		return nil, err
	}
	return layout.Decode(m.BinaryData["layout"])
}

// incarnations are the members' by node.
func (c cluster) incarnations(t *testing.T) map[string]layout.ID {
	t.Helper()
	l, err := c.layout(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]layout.ID)
	for _, m := range l.Members {
		out[m.Name.String()] = m.Incarnation
	}
	return out
}

// isWhole waits until a cluster is again as it should be: with these nodes, all of them
// serving, all copies there, none of them in a process of before.
func (c cluster) isWhole(t *testing.T, within time.Duration, nodes []string, before ...layout.ID) {
	t.Helper()
	eventually(t, within, func() error { return c.whole(t.Context(), nodes, before) })
}

func (c cluster) whole(ctx context.Context, nodes []string, before []layout.ID) error {
	l, err := c.layout(ctx)
	if err != nil {
		return err
	}
	if len(l.Members) != len(nodes) {
		return fmt.Errorf("layout %d has %d members", l.Epoch, len(l.Members))
	}
	for _, m := range l.Members {
		if m.Phase != layout.Serving || slices.Contains(before, m.Incarnation) {
			return fmt.Errorf("in layout %d %s is %s, in the process %s", l.Epoch, m.Name, m.Phase, m.Incarnation)
		}
	}
	got, err := c.get(ctx)
	if err != nil {
		return err
	}
	if n := len(nodes); got.Status.Epoch != int64(l.Epoch) || got.Status.Ready != fmt.Sprintf("%d/%d", n, n) || got.Status.MissingCopies != 0 {
		return fmt.Errorf("the status is of layout %d, not %d; %s nodes are ready; %d copies of slots are missing",
			got.Status.Epoch, l.Epoch, got.Status.Ready, got.Status.MissingCopies)
	}
	for condition, reason := range map[string]string{"Ready": "Serving", "Progressing": "Complete", "Degraded": "AllCopies"} {
		is := meta.FindStatusCondition(got.Status.Conditions, condition)
		if is == nil || is.Reason != reason || is.Status != map[bool]metav1.ConditionStatus{true: metav1.ConditionTrue, false: metav1.ConditionFalse}[condition == "Ready"] {
			return fmt.Errorf("%s is %+v", condition, is)
		}
	}
	return c.hasPods(ctx, nodes...)
}

// hasEvent waits until an event of the cluster has this reason, and its message these words.
func (c cluster) hasEvent(t *testing.T, kind, reason string, words ...string) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		list := &corev1.EventList{}
		if err := find(t.Context(), c.namespace, list, ""); err != nil {
			return err
		}
		var others []string
		for i := range list.Items {
			e := &list.Items[i]
			if e.InvolvedObject.Kind != "SeppenCluster" || e.InvolvedObject.Name != c.name {
				continue
			}
			if e.Type == kind && e.Reason == reason && has(e.Message, words) {
				return nil
			}
			others = append(others, fmt.Sprintf("%s %s: %s", e.Type, e.Reason, e.Message))
		}
		return fmt.Errorf("there is no event %s %s that says %q, but %q", kind, reason, words, others)
	})
}
