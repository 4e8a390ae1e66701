package conditions

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
)

// ready: can every slot be read and written, now? A write needs every owner of its
// slot, a read of an entry its primary.
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
		write, read := v.unavailable()
		if write.empty() {
			c.Status, c.Reason, c.Message = metav1.ConditionTrue, Serving, "Every slot can be read and written."
			break
		}
		c.Reason = SlotsUnavailable
		c.Message = fmt.Sprintf("%s %s", unavailableText(&write, &read), sentence(remarks(v.absent())))
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

// unavailable returns the slots that cannot be written and those whose entries cannot
// be read.
func (v *view) unavailable() (write, read slotSet) {
	for slot := range layout.Slots {
		o := v.table.Owners(uint8(slot))
		for _, m := range o.Ack {
			write[slot] = write[slot] || !v.serves(m)
		}
		read[slot] = write[slot] && (o.Primary == nil || !v.serves(o.Primary))
	}
	return write, read
}

const rangesRoom = 150 // of a message

func unavailableText(write, read *slotSet) string {
	switch {
	case *write == *read:
		return fmt.Sprintf("Slots %s can be neither read nor written.", write.text(rangesRoom))
	case read.empty():
		return fmt.Sprintf("Slots %s cannot be written, which needs every owner; all can be read.", write.text(rangesRoom))
	}
	return fmt.Sprintf("Slots %s cannot be written, which needs every owner; of these, slots %s cannot be read, which needs the first one.",
		write.text(rangesRoom), read.text(rangesRoom))
}

// absent says of each node with duties that does not serve why.
func (v *view) absent() []remark {
	var out []remark
	for i := range v.Layout.Members {
		if m := &v.Layout.Members[i]; m.Phase.Acknowledges() && !v.serves(m) {
			out = append(out, remark{m.Name, v.why(m)})
		}
	}
	return out
}

// why a member does not serve.
func (v *view) why(m *layout.Member) string {
	switch v.fates[m.Incarnation] {
	case alive:
		return notReady(v.nodes[m.Name].Status)
	case empty:
		return "came back empty, its memory is gone"
	case gone:
		return "its process ended, its memory is gone"
	case unasked:
		return "was not asked yet"
	}
	return "does not answer the operator, but its pod runs: it may live"
}
