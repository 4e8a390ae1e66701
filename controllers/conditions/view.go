package conditions

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// fate is what became of a member: of one incarnation, not of its name.
type fate int

const (
	gone        fate = iota // its process ended and its memory with it
	empty                   // the same, and another process answers under its name
	unreachable             // it does not answer, but may live
	unasked                 // it was not asked yet
	alive                   // it answers
)

// lost tells whether the member's memory is gone for certain.
func (f fate) lost() bool { return f == gone || f == empty }

// view is the facts in the order in which they are asked for.
type view struct {
	*Facts
	generation int64
	before     *v1alpha1.SeppenClusterStatus
	nodes      map[layout.Name]*Node
	table      *layout.Table // nil: no layout
	members    map[layout.Name][]*layout.Member
	fates      map[layout.ID]fate
	statuses   []v1alpha1.NodeStatus
}

func look(f *Facts) *view {
	v := &view{Facts: f, before: &v1alpha1.SeppenClusterStatus{}, nodes: make(map[layout.Name]*Node, len(f.Nodes))}
	if f.Cluster != nil {
		v.generation, v.before = f.Cluster.Generation, &f.Cluster.Status
	}
	for i := range f.Nodes {
		v.nodes[f.Nodes[i].Name] = &f.Nodes[i]
	}
	if f.Layout != nil {
		v.table = layout.NewTable(f.Layout)
		v.members = make(map[layout.Name][]*layout.Member, len(f.Nodes))
		v.fates = make(map[layout.ID]fate, len(f.Layout.Members))
		for i := range f.Layout.Members {
			m := &f.Layout.Members[i]
			v.members[m.Name] = append(v.members[m.Name], m)
		}
		for i := range f.Layout.Members {
			m := &f.Layout.Members[i]
			v.fates[m.Incarnation] = v.fateOf(m)
		}
	}
	v.statuses = v.nodeStatuses()
	return v
}

func (v *view) fateOf(m *layout.Member) fate {
	n := v.nodes[m.Name]
	switch {
	case n == nil:
		return gone
	case n.Status != nil && n.Status.Incarnation == m.Incarnation:
		return alive
	case n.Status != nil:
		return empty
	case v.followed(m) || !mayRun(n.Pod, m.Address):
		return gone
	case n.Err == "":
		return unasked
	}
	return unreachable
}

// followed tells whether a later process was let in under a member's name. That of the
// member has ended then, though it may have been in the same pod.
func (v *view) followed(m *layout.Member) bool {
	return slices.ContainsFunc(v.members[m.Name], func(o *layout.Member) bool { return o.JoinEpoch > m.JoinEpoch })
}

// member is the one whose process answers as n, nil if that is none.
func (v *view) member(n *Node) *layout.Member {
	if v.table == nil || n.Status == nil {
		return nil
	}
	return v.table.Member(n.Status.Incarnation)
}

// anyHolder tells whether a member of the name that has duties met one of these fates.
func (v *view) anyHolder(name layout.Name, fates ...fate) bool {
	return slices.ContainsFunc(v.members[name], func(m *layout.Member) bool {
		return m.Phase.Acknowledges() && slices.Contains(fates, v.fates[m.Incarnation])
	})
}

// holds tells whether the data of a node is not known to be lost.
func (v *view) holds(n *Node) bool { return v.anyHolder(n.Name, unreachable, unasked, alive) }

// serves tells whether a member answers and says that it is ready.
func (v *view) serves(m *layout.Member) bool {
	return v.fates[m.Incarnation] == alive && v.nodes[m.Name].Status.Ready
}

// isCopy tells whether a member has all that it should have of its slots. An attached one
// is not complete yet.
func isCopy(m *layout.Member) bool { return m.Phase.Acknowledges() && m.Phase != layout.Attached }

// copies of a slot: those that the layout has, and of these the ones that are not known
// to be lost.
func (v *view) copies(slot int) (all, left int) {
	for _, m := range v.table.Owners(uint8(slot)).Ack {
		if !isCopy(m) {
			continue
		}
		all++
		if !v.fates[m.Incarnation].lost() {
			left++
		}
	}
	return all, left
}

// early tells whether some member was not asked yet. So it is for a moment after the
// operator started; what was said before stands until it is known better.
func (v *view) early() bool {
	for _, f := range v.fates {
		if f == unasked {
			return true
		}
	}
	return false
}

// blind tells whether that will stay so, as the operator cannot talk to nodes.
func (v *view) blind() bool {
	if v.Stop == nil {
		return false
	}
	switch v.Stop.Reason {
	case SecretNotFound, SecretInvalid, SecretChanged, NameConflict:
		return true
	}
	return false
}

// isUnasked tells whether a member of the node's name was not asked yet.
func (v *view) isUnasked(n *Node) bool {
	return slices.ContainsFunc(v.members[n.Name], func(m *layout.Member) bool { return v.fates[m.Incarnation] == unasked })
}

// stands tells whether what was said of a node before stands, if anything was.
func (v *view) stands(n *Node) bool { return v.isUnasked(n) && !v.blind() }

// said returns what a condition said before, nil if it said nothing.
func (v *view) said(condition string) *metav1.Condition {
	return meta.FindStatusCondition(v.before.Conditions, condition)
}

// saidReason is the reason that a condition had before.
func (v *view) saidReason(condition string) string {
	if c := v.said(condition); c != nil {
		return c.Reason
	}
	return ""
}

// starting tells whether the first layout is on its way: it was written, every process
// of it is there, and not all have said that they serve. It ends when they have, or
// when one of them is lost.
func (v *view) starting() bool {
	if v.Layout == nil || v.Layout.Epoch != 1 || v.allServe() {
		return false
	}
	for i := range v.Layout.Members {
		if v.fates[v.Layout.Members[i].Incarnation] != alive {
			return false
		}
	}
	switch v.saidReason(Ready) {
	case "", Starting, Stopped:
		return true
	}
	return false
}

// allServe tells whether every member with duties serves.
func (v *view) allServe() bool {
	for i := range v.Layout.Members {
		if m := &v.Layout.Members[i]; m.Phase.Acknowledges() && !v.serves(m) {
			return false
		}
	}
	return true
}
