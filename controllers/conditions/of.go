package conditions

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Of makes the status of a cluster and the events to send once it is written. With the
// same facts and the status that it returned, it returns that status and no events.
func Of(f *Facts) (v1alpha1.SeppenClusterStatus, []Event) {
	v := look(f)
	shards, copies := v.shape()
	status := v1alpha1.SeppenClusterStatus{
		ObservedGeneration: v.generation,
		Epoch:              v.epoch(),
		Shards:             shards,
		Copies:             copies,
		SecretName:         f.SecretName,
		Selector:           f.Selector,
		Nodes:              v.statuses,
		MissingCopies:      v.missingCopies(),
		LostSlots:          v.lostSlots(),
	}
	status.Ready = fmt.Sprintf("%d/%d", countReady(status.Nodes), len(status.Nodes))
	v.figures(&status)
	for _, c := range []metav1.Condition{v.ready(), v.progressing(), v.degraded(), v.dataLost(&status)} {
		if before := meta.FindStatusCondition(v.before.Conditions, c.Type); before != nil {
			status.Conditions = append(status.Conditions, *before)
		}
		c.Message = clip(c.Message, maxMessage)
		c.ObservedGeneration = v.generation
		c.LastTransitionTime = metav1.NewTime(f.Now.Truncate(time.Second)) // as precise as it is stored
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status, v.events(&status)
}

// epoch stays what it was when the layout is lost: the API server lets a cluster have
// another secret as long as the epoch is 0, and the nodes still use the one they have.
func (v *view) epoch() int64 {
	if v.Layout == nil {
		return v.before.Epoch
	}
	// A layout that was set back does not make us forget the one there was.
	return max(v.before.Epoch, int64(v.Layout.Epoch))
}

func countReady(nodes []v1alpha1.NodeStatus) int {
	n := 0
	for i := range nodes {
		if nodes[i].Ready {
			n++
		}
	}
	return n
}
