package conditions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// shape is the shards and copies in effect: those that are asked for once all nodes of theirs
// serve, and until then the ones before. An autoscaler goes by them.
func (v *view) shape() (shards, copies int32) {
	asked := v.before.Epoch == 0 || v.before.Shards == 0 || v.Layout != nil && v.served()
	if asked {
		return int32(v.Shards), int32(v.Copies)
	}
	return v.before.Shards, v.before.Copies
}

// served tells whether all nodes that are to be there have members that serve.
func (v *view) served() bool {
	return !slices.ContainsFunc(v.Names, func(name layout.Name) bool {
		return !slices.ContainsFunc(v.members[name], func(m *layout.Member) bool { return m.Phase == layout.Serving })
	})
}

// reshaping tells whether the nodes of another shape are on their way: another one is in effect
// than is asked for, or nodes go whose ranges nobody else has.
func (v *view) reshaping() bool {
	if v.Layout == nil {
		return false
	}
	shards, copies := v.shape()
	if int(shards) != v.Shards || int(copies) != v.Copies {
		return true
	}
	return slices.ContainsFunc(v.Nodes, func(n Node) bool {
		same := func(name layout.Name) bool { return name.Range == n.Name.Range }
		return n.Going && !slices.ContainsFunc(v.Names, same)
	})
}

// comes tells whether a node is new: it was never a copy, and what it is to hold is where it
// was.
func (v *view) comes(n *Node) bool {
	if n.Going || slices.ContainsFunc(v.members[n.Name], isCopy) {
		return false
	}
	return v.reshaping() || slices.ContainsFunc(v.Nodes, func(old Node) bool {
		left := func(m *layout.Member) bool { return isCopy(m) && !v.fates[m.Incarnation].lost() }
		return old.Going && old.Name.Range == n.Name.Range && slices.ContainsFunc(v.members[old.Name], left)
	})
}

// change says which nodes come and go, if any do.
func (v *view) change() (reason, message string) {
	if v.Layout == nil {
		return "", ""
	}
	come, leave, wait, left := v.coming(), v.going(), v.turns(), v.remaining()
	if len(leave)+len(wait)+len(left) == 0 && (len(come) == 0 || !v.reshaping()) {
		return "", ""
	}
	var parts []string
	add := func(headline string, list []remark) {
		if len(list) > 0 {
			parts = append(parts, headline+sentence(remarks(list)))
		}
	}
	add("New: ", come)
	add("To go: ", leave)
	add("Left of what went: ", left)
	if len(wait) > 0 {
		parts = append(parts, sentence(fmt.Sprintf("As maxSurge is %d, for later: %s", max(v.Surge, 1), few(wait))))
	}
	if v.Step != "" && !v.Stepped {
		parts = append(parts, sentence(clip(v.Step, maxDetail)))
	}
	return v.kind(), strings.Join(parts, " ")
}

// kind is the reason of a change: that of another shape comes before the others.
func (v *view) kind() string {
	hurried := func(n Node) bool { return (n.Going || n.Waiting) && (n.Ends || n.Moves) }
	switch {
	case v.reshaping():
		return Scaling
	case slices.ContainsFunc(v.Nodes, hurried):
		return Draining
	case slices.ContainsFunc(v.Nodes, func(n Node) bool { return n.Old && (n.Going || n.Waiting) }), !v.saidChange():
		return Replacing
	}
	return v.saidReason(Progressing) // its end
}

// saidChange tells whether a change was said to be under way before.
func (v *view) saidChange() bool {
	return slices.Contains([]string{Scaling, Draining, Replacing}, v.saidReason(Progressing))
}

// coming are the nodes that are to be there and do not serve, and how far they are.
func (v *view) coming() []remark {
	var out []remark
	for _, name := range v.Names {
		serves := func(m *layout.Member) bool { return m.Phase == layout.Serving && v.fates[m.Incarnation] == alive }
		n := v.nodes[name]
		switch {
		case n == nil:
			out = append(out, remark{name, "is to be made"})
		case !slices.ContainsFunc(v.members[name], serves):
			out = append(out, remark{name, v.progress(n)})
		}
	}
	return out
}

// progress is how far a node is that comes.
func (v *view) progress(n *Node) string {
	m := v.member(n)
	switch {
	case m != nil && isCopy(m):
		return v.why(m)
	case m != nil:
		return copying(n) + v.rest(n)
	case n.Status != nil:
		return "is not let in yet"
	case n.Pod != nil && n.Pod.Status.Phase == corev1.PodPending && v.Now.Sub(n.Pod.CreationTimestamp.Time) > time.Minute && !n.Pod.CreationTimestamp.IsZero():
		return stage(n.Pod) + " since " + n.Pod.CreationTimestamp.UTC().Format(time.TimeOnly) + " UTC"
	}
	return n.stage()
}

// going are the nodes that go, and why they are there still.
func (v *view) going() []remark {
	var out []remark
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Going {
			out = append(out, remark{n.Name, v.leaves(n)})
		}
	}
	return out
}

func (v *view) leaves(n *Node) string {
	is := func(p layout.Phase) bool {
		return slices.ContainsFunc(v.members[n.Name], func(m *layout.Member) bool { return m.Phase == p })
	}
	why := ""
	switch {
	case n.Pod != nil && n.Pod.DeletionTimestamp != nil:
		why = ", its pod is to end by " + clockTime(n.Pod)
	case n.Moves:
		why = ", its machine is being emptied"
	}
	switch {
	case len(v.members[n.Name]) == 0:
		return "holds nothing any more" + why
	case is(layout.Serving):
		return "serves until then" + why
	case is(layout.Leaving):
		return "hands its slots over" + why
	}
	return "is not needed" + why
}

// turns are the nodes that are to be replaced later.
func (v *view) turns() []string {
	var out []string
	for i := range v.Nodes {
		if v.Nodes[i].Waiting {
			out = append(out, v.Nodes[i].Name.String())
		}
	}
	return out
}

// meanwhile says, where new nodes do not come, who serves in their place.
func (v *view) meanwhile() string {
	if reason, _ := v.change(); reason == "" {
		return ""
	}
	var names []string
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Going && slices.ContainsFunc(v.members[n.Name], isCopy) {
			names = append(names, n.Name.String())
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "In the place of what is new " + few(names) + " " + verb(names, "goes", "go") + " on."
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}

// changeEvents tell which nodes came and went, and that a change is done.
func (v *view) changeEvents(send func(kind, reason, message string), s *v1alpha1.SeppenClusterStatus) {
	if v.Layout == nil || v.before.Epoch == 0 || len(v.before.Nodes) == 0 {
		return
	}
	in := func(list []v1alpha1.NodeStatus, name string) bool {
		return slices.ContainsFunc(list, func(n v1alpha1.NodeStatus) bool { return n.Name == name })
	}
	missing := func(from, of []v1alpha1.NodeStatus) []string {
		var names []string
		for i := range of {
			if !in(from, of[i].Name) {
				names = append(names, of[i].Name)
			}
		}
		return names
	}
	if names := missing(v.before.Nodes, s.Nodes); len(names) > 0 {
		send(corev1.EventTypeNormal, NodeAdded, "To come: "+sentence(few(names)))
	}
	if names := missing(s.Nodes, v.before.Nodes); len(names) > 0 {
		send(corev1.EventTypeNormal, NodeRetired, "No more: "+sentence(few(names)))
	}
	if reason, _ := v.change(); reason == "" && v.saidChange() && !v.early() {
		send(corev1.EventTypeNormal, ChangeDone, fmt.Sprintf("%s is done: %s, %s, %s.", v.saidReason(Progressing),
			plural(len(s.Nodes), "node", "nodes"), plural(v.Shards, "shard", "shards"), plural(v.Copies, "copy", "copies")))
	}
}
