package conditions

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// progressing: is the operator at work, and if it cannot go on, why? What only a person
// can put right comes before what goes on by itself.
func (v *view) progressing() metav1.Condition {
	c := metav1.Condition{Type: Progressing, Status: metav1.ConditionFalse}
	if v.Stop != nil {
		c.Reason, c.Message = v.Stop.Reason, v.Stop.Message
		return c
	}
	if c.Reason, c.Message = v.causes(); c.Reason != "" {
		return c
	}
	if c.Message = v.undecided(); c.Message != "" {
		c.Reason = ProofMissing
		return c
	}
	if v.early() && v.saidChange() {
		return v.asBefore(c.Type)
	}
	if c.Reason, c.Message = v.change(); c.Reason != "" {
		c.Status = metav1.ConditionTrue
		return c
	}
	if c.Reason, c.Message = v.underway(); c.Reason != "" {
		c.Status = metav1.ConditionTrue
		return c
	}
	switch {
	case v.early() && v.said(c.Type) != nil:
		return v.asBefore(c.Type)
	case v.Step != "":
		c.Reason, c.Message = Stuck, "The layout stays as it is. "+sentence(clip(v.Step, maxMessage-maxDetail))
	case v.degraded().Status == metav1.ConditionTrue:
		c.Reason, c.Message = Complete, "Nothing is under way; see Degraded."
	case v.ready().Status != metav1.ConditionTrue:
		c.Reason, c.Message = Complete, "Nothing is under way; see Ready."
	default:
		c.Reason, c.Message = Complete, "All is as the spec asks."
	}
	return c
}

// podCauses in the order in which they are told: the ones that do not go away first.
var podCauses = []string{PodConfig, ImagePull, PodCrashing, PodMissing, PodNotEnding, Unschedulable}

// causes says what keeps pods from running: the gravest cause, and that there are more.
func (v *view) causes() (reason, message string) {
	found := v.found()
	var also []string
	for _, r := range podCauses {
		switch {
		case len(found[r]) == 0:
		case reason == "":
			reason, message = r, sentence(remarks(found[r]))
		default:
			also = append(also, fmt.Sprintf("%s (%s)", r, plural(len(found[r]), "node", "nodes")))
		}
	}
	if len(also) > 0 {
		message = clip(message, maxMessage-maxDetail) + " Also " + strings.Join(also, ", ") + "."
	}
	if reason != "" {
		return reason, strings.TrimSpace(message + " " + v.meanwhile())
	}
	if late := v.overdue(); len(late) > 0 {
		return PodNotEnding, sentence(remarks(late))
	}
	return "", ""
}

// found are the causes that are known, by reason. Nobody waits for a node that goes.
func (v *view) found() map[string][]remark {
	found := make(map[string][]remark)
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if c := v.cause(n); c != nil && !n.Going {
			found[c.reason] = append(found[c.reason], remark{n.Name, c.detail})
		}
	}
	return found
}

// cause is what keeps a node's pod from running. Nil if there is none.
func (v *view) cause(n *Node) *cause {
	if v.stands(n) {
		return nil
	}
	if n.Pod == nil {
		return v.absence(n)
	}
	return causeOf(n.Pod, v.anyHolder(n.Name, alive), v.Now)
}
