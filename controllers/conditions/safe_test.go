package conditions

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A node can be deleted as long as the other one has the same, and stays.
func TestSafeBesideOneThatEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		other func(n *Node)
		want  string
	}{
		"it stays":                 {func(*Node) {}, ""},
		"its pod is being deleted": {func(n *Node) { n.Pod.DeletionTimestamp = new(metav1.NewTime(time.Unix(1, 0))) }, "0-255 has one copy"},
		"it was told to stop":      {func(n *Node) { n.Status.Ending = true }, "0-255 has one copy"},
		"an older pod of its name is being deleted": {func(n *Node) {
			n.Pod.DeletionTimestamp, n.Pod.UID = new(metav1.NewTime(time.Unix(1, 0))), "another"
		}, ""},
		"it does not answer": {func(n *Node) { n.Status, n.Err = nil, "no route" }, "0-255 has one copy"},
	} {
		w := newWorld()
		w.do(t, "cluster shards=2 copies=2")
		w.do(t, "all runs")
		for range 2 {
			w.reconcile()
		}
		f, _ := w.reconcile()
		tt.other(&f.Nodes[1])
		status, _ := Of(f)
		n := status.Nodes[0]
		if n.SafeToDelete != (tt.want == "") || tt.want != "" && n.SafeToDeleteReason != tt.want {
			t.Errorf("%s: %t, %s", name, n.SafeToDelete, n.SafeToDeleteReason)
		}
	}
}
