package conditions

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// events are what is new in a status.
func (v *view) events(s *v1alpha1.SeppenClusterStatus) []Event {
	var out []Event
	send := func(kind, reason, message string) {
		out = append(out, Event{kind, reason, clip(message, maxMessage)})
	}
	if v.started() {
		send(corev1.EventTypeNormal, Started, fmt.Sprintf("Layout %d: %s, %s, %s.", v.Layout.Epoch,
			plural(len(v.Nodes), "node", "nodes"), plural(v.Shards, "shard", "shards"), plural(v.Copies, "copy", "copies")))
	}
	if v.Stop != nil && v.newStop() {
		send(corev1.EventTypeWarning, v.Stop.Reason, v.Stop.Message)
	}
	v.causeEvents(send)
	if back := v.cameBack(); len(back) > 0 {
		send(corev1.EventTypeWarning, NodeRestarted, "Came back as another process, with empty memory. "+sentence(remarks(back)))
	}
	v.copiesEvents(send, s)
	return out
}

// started tells whether a cluster began.
func (v *view) started() bool {
	return v.Layout != nil && v.before.Epoch == 0
}

// newStop tells whether the cause is another one than before, or still the same after
// somebody changed the spec, and then in other words.
func (v *view) newStop() bool {
	before := v.said(Progressing)
	if before == nil || before.Reason != v.Stop.Reason {
		return true
	}
	return before.ObservedGeneration != v.generation && before.Message != clip(v.Stop.Message, maxMessage)
}

// causeEvents tells of a cause when the first pod has it, not again for each other one.
func (v *view) causeEvents(send func(kind, reason, message string)) {
	found := v.found()
	for _, r := range podCauses {
		if len(found[r]) > 0 && !v.saidOfANode(r) {
			send(corev1.EventTypeWarning, r, sentence(remarks(found[r])))
		}
	}
	if pending := found[TemplatePending]; len(pending) > 0 && !v.saidOfANode(TemplatePending) {
		send(corev1.EventTypeWarning, TemplatePending, pendingMessage(pending))
	}
}

func (v *view) saidOfANode(reason string) bool {
	for i := range v.before.Nodes {
		if strings.HasPrefix(v.before.Nodes[i].Message, reason+": ") {
			return true
		}
	}
	return false
}

// cameBack are the nodes that are now another process than when the status was written
// before, and what their members held.
func (v *view) cameBack() []remark {
	if v.Layout == nil {
		return nil
	}
	var out []remark
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Status != nil && v.newcomer(n) && v.anyHolder(n.Name, empty) {
			why := "slots " + v.held(n.Name).text(rangesRoom)
			if exit := exitBefore(n); exit != "" {
				why += " (the process before: " + exit + ")"
			}
			out = append(out, remark{n.Name, why})
		}
	}
	return out
}

// newcomer tells whether a node's process is new since the status before: it was let in
// since, or it was not and that is not known yet.
func (v *view) newcomer(n *Node) bool {
	m, before := v.member(n), v.nodeBefore(n.Name.String())
	known := before != nil && before.Phase == "" && strings.Contains(before.Message, restartedOut)
	switch {
	case known:
		return false
	case m == nil:
		return true
	}
	return int64(m.JoinEpoch) > v.before.Epoch
}

// held are the slots that members of a name have duties for.
func (v *view) held(name layout.Name) *slotSet {
	var in slotSet
	for slot := range layout.Slots {
		for _, m := range v.table.Owners(uint8(slot)).Ack {
			in[slot] = in[slot] || m.Name == name
		}
	}
	return &in
}

// copiesEvents tells when copies are lost, and when all are there again. A node that only
// does not answer for a while is no event.
func (v *view) copiesEvents(send func(kind, reason, message string), s *v1alpha1.SeppenClusterStatus) {
	before := v.said(Degraded)
	for _, now := range s.Conditions {
		if now.Type != Degraded {
			continue
		}
		missed := before != nil && (before.Reason == CopiesMissing || before.Reason == SlotsLost)
		switch {
		case now.Reason == CopiesMissing || now.Reason == SlotsLost:
			// The nodes that it goes on to name may come and go; the loss is the same.
			if _, headline := v.losses(); !missed || !v.early() && !strings.HasPrefix(before.Message, headline) {
				send(corev1.EventTypeWarning, now.Reason, now.Message)
			}
		case missed && now.Status == metav1.ConditionFalse:
			send(corev1.EventTypeNormal, Recovered, now.Message)
		}
	}
}
