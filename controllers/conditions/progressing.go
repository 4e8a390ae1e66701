package conditions

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
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
	if c.Reason, c.Message = v.underway(); c.Reason != "" {
		c.Status = metav1.ConditionTrue
		return c
	}
	pending := v.found()[TemplatePending]
	switch {
	case v.early() && v.said(c.Type) != nil:
		return v.asBefore(c.Type)
	case len(pending) > 0:
		c.Reason, c.Message = TemplatePending, pendingMessage(pending)
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

// underway says what goes on and by itself comes to an end.
func (v *view) underway() (reason, message string) {
	waiting := v.waiting()
	switch {
	case len(waiting) > 0:
		return Creating, sentence(remarks(waiting))
	case v.Layout == nil && v.Step != "":
		return Creating, "There is no layout yet. " + sentence(clip(v.Step, maxDetail))
	case v.Layout == nil:
		return Creating, "There is no layout yet."
	case v.starting():
		return Bootstrapping, "The first layout is on its way. " + sentence(remarks(v.absent()))
	}
	if joining := v.joining(); len(joining) > 0 || v.Stepped {
		return Joining, strings.TrimSpace(sentence(clip(v.Step, maxDetail)) + " " + sentence(remarks(joining)))
	}
	return "", ""
}

// waiting are the nodes whose pods are to come. A member that runs and does not answer
// is not one of them: there is nothing to wait for but that it does.
func (v *view) waiting() []remark {
	var out []remark
	for i := range v.Nodes {
		n := &v.Nodes[i]
		switch {
		case n.Status == nil && !v.mayLive(n):
			out = append(out, remark{n.Name, stage(n.Pod)})
		case n.Status != nil && n.Outdated && !v.holds(n):
			out = append(out, remark{n.Name, "holds nothing, its pod is replaced by one of the new template"})
		}
	}
	return out
}

// mayLive tells whether some member of the node's name runs and is only not heard of.
func (v *view) mayLive(n *Node) bool {
	return slices.ContainsFunc(v.members[n.Name], func(m *layout.Member) bool {
		f := v.fates[m.Incarnation]
		return f == unreachable || f == unasked
	})
}

// joining are the nodes that do not have the layout yet.
func (v *view) joining() []remark {
	var out []remark
	for i := range v.Nodes {
		n := &v.Nodes[i]
		switch {
		case n.Status == nil:
		case v.member(n) == nil:
			out = append(out, remark{n.Name, "is not let in yet"})
		case n.Status.Epoch < v.Layout.Epoch:
			out = append(out, remark{n.Name, fmt.Sprintf("layout %d is on its way", v.Layout.Epoch)})
		}
	}
	return out
}

// pendingMessage is about the nodes that run an older template because they hold data.
func pendingMessage(pending []remark) string {
	var names []string
	for _, r := range pending {
		names = append(names, r.name.String())
	}
	return fmt.Sprintf("Pods that hold data run an older template: %s. A pod that is deleted comes back with the new one, but what it held in memory is lost.", few(names))
}
