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
	if c.Reason, c.Message = v.underway(); c.Reason != "" {
		c.Status = metav1.ConditionTrue
		return c
	}
	pending := v.found()[TemplatePending]
	switch {
	case v.early() && v.said(c.Type) != nil:
		return v.asBefore(c.Type)
	case v.Step != "":
		c.Reason, c.Message = Stuck, "The layout stays as it is. "+sentence(clip(v.Step, maxMessage-maxDetail))
	case len(pending) > 0:
		c.Reason, c.Message = TemplatePending, v.pendingMessage(pending)
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
var podCauses = []string{PodConfig, ImagePull, PodCrashing, Unschedulable}

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
	return reason, message
}

// found are the causes that are known, by reason.
func (v *view) found() map[string][]remark {
	found := make(map[string][]remark)
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if c := v.cause(n); c != nil {
			found[c.reason] = append(found[c.reason], remark{n.Name, c.detail})
		}
	}
	return found
}

// cause is the one that is told of a node: what keeps its pod from running, or else why
// it is not replaced. Nil if there is none.
func (v *view) cause(n *Node) *cause {
	if v.stands(n) {
		return nil
	}
	if c := causeOf(n.Pod, v.anyHolder(n.Name, alive), v.Now); c != nil {
		return c
	}
	if n.Outdated && v.holds(n) {
		return &cause{TemplatePending, "its pod runs an older template"}
	}
	return nil
}

// pendingMessage is about the nodes that run an older template because they hold data.
func (v *view) pendingMessage(pending []remark) string {
	var names []string
	for _, r := range pending {
		names = append(names, r.name.String())
	}
	how := "Delete them one by one, each when no copy is missing: they come back with the new one, and copy what they held from the others."
	if v.Copies < 2 {
		how = "A pod that is deleted comes back with the new one, but what it held in memory is lost."
	}
	return fmt.Sprintf("Pods that hold data run an older template: %s. %s", few(names), how)
}
