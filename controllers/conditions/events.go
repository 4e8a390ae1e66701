package conditions

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	v.changeEvents(send, s)
	v.waitEvents(send, s)
	if back := v.cameBack(); len(back) > 0 {
		send(corev1.EventTypeWarning, NodeRestarted, "Came back with empty memory. "+sentence(remarks(back)))
	}
	v.copiesEvents(send, s)
	for i := range s.LostSlots {
		if l := &s.LostSlots[i]; !v.tells(l.Epoch) {
			send(corev1.EventTypeWarning, SlotsGivenUp, lossWords(l))
		}
	}
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
}

func (v *view) saidOfANode(reason string) bool {
	for i := range v.before.Nodes {
		if strings.HasPrefix(v.before.Nodes[i].Message, reason+": ") {
			return true
		}
	}
	return false
}

// waitEvents tells when it is for a person to say whether somebody is dead.
func (v *view) waitEvents(send func(kind, reason, message string), s *v1alpha1.SeppenClusterStatus) {
	now := meta.FindStatusCondition(s.Conditions, Progressing)
	if now.Reason == ProofMissing && v.saidReason(Progressing) != ProofMissing {
		send(corev1.EventTypeWarning, ProofMissing, now.Message)
	}
}

// cameBack are the nodes whose process is another one than the status named before, and
// what that held.
func (v *view) cameBack() []remark {
	if v.Layout == nil {
		return nil
	}
	var out []remark
	for i := range v.Nodes {
		n := &v.Nodes[i]
		before := v.nodeBefore(n.Name.String())
		if n.Status == nil || before == nil || before.Incarnation == "" || before.Incarnation == n.Status.Incarnation.String() {
			continue
		}
		why := "slots " + n.Name.Range.String()
		if exit := exitBefore(n); exit != "" {
			why += " (the process before: " + exit + ")"
		}
		out = append(out, remark{n.Name, why})
	}
	return out
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
			// Which nodes it goes on to name, and of which slots, may change; the loss is the same.
			if !missed || s.MissingCopies > v.before.MissingCopies {
				send(corev1.EventTypeWarning, now.Reason, now.Message)
			}
		case missed && now.Status == metav1.ConditionFalse:
			send(corev1.EventTypeNormal, Recovered, now.Message)
		}
	}
}
