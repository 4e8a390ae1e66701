package conditions

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/placement"
)

// fate is what became of a member: of one incarnation, not of its name.
type fate int

const (
	gone        fate = iota // it is proven that its process ended, and so its memory
	empty                   // the same, and another process answers under its name
	unreachable             // it does not answer, and nobody hears of it, but it may live
	heard                   // it does not answer, but other nodes hear of it: it lives
	unasked                 // it was not asked yet
	alive                   // it answers
)

// lost tells whether the member's memory is gone for certain.
func (f fate) lost() bool { return f == gone || f == empty }

// judge finds out what became of all members.
func (v *view) judge() {
	v.heard = make(map[layout.ID]bool)
	for i := range v.Nodes {
		if v.Nodes[i].Status == nil {
			continue
		}
		for _, p := range v.Nodes[i].Status.Peers {
			if time.Duration(p.Silent)*time.Millisecond < placement.SuspectAfter {
				v.heard[p.Incarnation] = true
			}
		}
	}
	v.fates = make(map[layout.ID]fate, len(v.Layout.Members))
	for _, l := range []*layout.Layout{v.Layout, v.known} {
		for i := range l.Members {
			m := &l.Members[i]
			v.fates[m.Incarnation] = v.fateOf(m)
		}
	}
}

func (v *view) fateOf(m *layout.Member) fate {
	n := v.nodes[m.Name]
	another := n != nil && n.Status != nil && n.Status.Incarnation != m.Incarnation
	_, dead := v.Dead[m.Incarnation]
	silent := v.Silent[m.Incarnation] >= placement.SuspectAfter
	switch {
	case dead && another:
		return empty
	case dead:
		return gone
	case n != nil && n.Status != nil && !another:
		return alive
	case silent && v.heard[m.Incarnation]:
		return heard
	case silent, another, n != nil && n.Err != "" && lives(n, m):
		return unreachable
	}
	return unasked
}

// lives tells whether a member's process lives in the pod of a node, if it lives.
func lives(n *Node, m *layout.Member) bool { return n.Pod != nil && string(n.Pod.UID) == m.Home }

// why a member does not serve.
func (v *view) why(m *layout.Member) string {
	switch v.fates[m.Incarnation] {
	case empty:
		return "came back empty, its memory is gone"
	case gone:
		return v.Dead[m.Incarnation] + ", its memory is gone"
	case unasked:
		return "was not asked yet"
	case heard:
		return "does not answer the operator, but other nodes hear it: it lives"
	case alive:
		return notReady(v.nodes[m.Name].Status)
	}
	switch n := v.nodes[m.Name]; {
	case n == nil || n.Pod == nil || !lives(n, m):
		return "its pod is gone, but nothing proves that its process ended: it may live"
	default:
		return "does not answer, but its pod runs: it may live"
	}
}
