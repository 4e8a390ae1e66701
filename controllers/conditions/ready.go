package conditions

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ready: can every slot be read and written, now? A write needs every owner of its
// slot, a read of an entry its primary, which says itself whether it has taken over.
func (v *view) ready() metav1.Condition {
	c := metav1.Condition{Type: Ready, Status: metav1.ConditionFalse}
	switch {
	case v.Layout == nil && v.Stop != nil:
		c.Reason, c.Message = Stopped, v.stoppedMessage()
	case v.Layout == nil:
		c.Reason = Starting
		c.Message = fmt.Sprintf("There is no layout yet: %d of %s.", v.answering(), plural(len(v.Nodes), "node answers", "nodes answer"))
	case v.early():
		return v.asBefore(c.Type)
	case v.starting():
		c.Reason = Starting
		c.Message = fmt.Sprintf("The first layout is written: %d of %s.", countReady(v.statuses), plural(len(v.Nodes), "node serves", "nodes serve"))
	default:
		return v.available()
	}
	return c
}

// stoppedMessage repeats the cause. Nodes need no operator to serve, so where a layout
// was lost they may well go on.
func (v *view) stoppedMessage() string {
	text := clip(v.Stop.Message, maxMessage-maxDetail)
	n := countReady(v.statuses)
	if n == 0 {
		return text
	}
	return fmt.Sprintf("%s %d of %s with the layout that they have.", sentence(text), n, plural(len(v.Nodes), "node serves", "nodes serve"))
}

func (v *view) answering() int {
	n := 0
	for i := range v.Nodes {
		if v.Nodes[i].Status != nil {
			n++
		}
	}
	return n
}

// asBefore is what a condition said before its nodes could be asked. Where they cannot
// be asked at all, what it said is no longer known.
func (v *view) asBefore(condition string) metav1.Condition {
	before := v.said(condition)
	switch {
	case v.blind():
		return metav1.Condition{
			Type: condition, Status: metav1.ConditionUnknown, Reason: NotAsked,
			Message: "The operator cannot ask the nodes: " + v.Stop.Message,
		}
	case before == nil:
		return metav1.Condition{
			Type: condition, Status: metav1.ConditionUnknown, Reason: NotAsked,
			Message: "The operator has not asked all nodes yet.",
		}
	}
	return *before
}
