package kubectl

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// lastCopies are the slots of which no copy would be left if some pods ended at once, all of
// them together: pods that are safe each alone may hold all copies of a slot between them.
//
// What counts as left is a member that has all of the slot (it serves or leaves), in a pod
// that stays, is not about to end, and is ready both for Kubernetes and for the operator.
func lastCopies(c *v1alpha1.SeppenCluster, l *layout.Layout, pods []corev1.Pod, doomed map[types.UID]bool) *[layout.Slots]bool {
	var lost [layout.Slots]bool
	left := survivors(c, l, pods, doomed)
	table := layout.NewTable(l)
	for slot := range layout.Slots {
		held, kept := false, false
		for _, m := range table.Owners(uint8(slot)).Ack {
			held = held || doomed[types.UID(m.Home)]
			kept = kept || left[m.Incarnation]
		}
		lost[slot] = held && !kept
	}
	return &lost
}

// survivors are the members on which one can rely when some pods end.
func survivors(c *v1alpha1.SeppenCluster, l *layout.Layout, pods []corev1.Pod, doomed map[types.UID]bool) map[layout.ID]bool {
	ready := make(map[types.UID]bool)
	for i := range pods {
		p := &pods[i]
		ready[p.UID] = p.DeletionTimestamp.IsZero() && isReady(p) && !doomed[p.UID]
	}
	says := make(map[string]bool) // incarnations that the status calls ready
	for _, n := range c.Status.Nodes {
		if n.Ready {
			says[n.Incarnation] = true
		}
	}
	out := make(map[layout.ID]bool)
	for i := range l.Members {
		m := &l.Members[i]
		whole := m.Phase == layout.Serving || m.Phase == layout.Leaving
		out[m.Incarnation] = whole && ready[types.UID(m.Home)] && says[m.Incarnation.String()]
	}
	return out
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// slotsText spells slots as ranges; empty: there are none.
func slotsText(in *[layout.Slots]bool) string {
	var out []string
	for _, r := range layout.Ranges(in) {
		out = append(out, r.String())
	}
	return strings.Join(out, ", ")
}
