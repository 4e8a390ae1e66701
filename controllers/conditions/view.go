package conditions

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// view is the facts in the order in which they are asked for.
type view struct {
	*Facts
	generation int64
	before     *v1alpha1.SeppenClusterStatus
	nodes      map[layout.Name]*Node
	table      *layout.Table  // nil: no layout
	known      *layout.Layout // that the nodes can have: the one before a step that was just made
	members    map[layout.Name][]*layout.Member
	heard      map[layout.ID]bool // by a node that answers
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
		v.table, v.known = layout.NewTable(f.Layout), f.Layout
		if f.Stepped && f.Before != nil {
			v.known = f.Before
		}
		v.members = make(map[layout.Name][]*layout.Member, len(f.Nodes))
		for i := range f.Layout.Members {
			m := &f.Layout.Members[i]
			v.members[m.Name] = append(v.members[m.Name], m)
		}
		v.judge()
	}
	v.statuses = v.nodeStatuses()
	return v
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
	return v.holder(name, fates...) != nil
}

func (v *view) holder(name layout.Name, fates ...fate) *layout.Member {
	for _, m := range v.members[name] {
		if m.Phase.Acknowledges() && slices.Contains(fates, v.fates[m.Incarnation]) {
			return m
		}
	}
	return nil
}

// holds tells whether a member with duties may live in the pod of a node.
func (v *view) holds(n *Node) bool {
	return slices.ContainsFunc(v.members[n.Name], func(m *layout.Member) bool {
		return m.Phase.Acknowledges() && lives(n, m) && !v.fates[m.Incarnation].lost()
	})
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
func (v *view) stands(n *Node) bool { return v.isUnasked(n) && n.Status == nil && !v.blind() }

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

// allServe tells whether every slot can be read and written, and every node says that it
// is ready.
func (v *view) allServe() bool {
	for i := range v.Layout.Members {
		m := &v.Layout.Members[i]
		if m.Phase.Acknowledges() && (v.fates[m.Incarnation] != alive || !v.nodes[m.Name].Status.Ready) {
			return false
		}
	}
	s := v.unavailable()
	return s.write.empty() && s.early.empty()
}
