package conditions

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
)

func (v *view) nodeStatuses() []v1alpha1.NodeStatus {
	var out []v1alpha1.NodeStatus
	for i := range v.Nodes {
		out = append(out, v.nodeStatus(&v.Nodes[i]))
	}
	return out
}

func (v *view) nodeStatus(n *Node) v1alpha1.NodeStatus {
	if before := v.nodeBefore(n.Name.String()); before != nil && v.stands(n) {
		s := *before
		s.Range, s.Host, s.Retiring = n.Name.Range.String(), n.Host, n.Going
		return s
	}
	s := v1alpha1.NodeStatus{Name: n.Name.String(), Range: n.Name.Range.String(), Host: n.Host, Message: v.message(n), Retiring: n.Going}
	s.SafeToDelete, s.SafeToDeleteReason = v.safe(n)
	if n.Status == nil {
		if before := v.nodeBefore(s.Name); before != nil {
			s.Incarnation = before.Incarnation
		}
		return s
	}
	s.Incarnation = n.Status.Incarnation.String()
	s.Keys, s.Bytes = n.Status.Keys, n.Status.MemoryUsed
	m := v.member(n)
	s.Ready = n.Status.Ready && (v.Layout == nil || m != nil && isCopy(m))
	if m != nil {
		s.Phase = m.Phase.String()
	}
	if m != nil && !isCopy(m) {
		s.CopyBytesLeft = n.Status.CopyBytesLeft
		s.CopySecondsLeft = v.secondsLeft(n)
	}
	return s
}

// nodeBefore is what was said of a node before, nil if nothing was.
func (v *view) nodeBefore(name string) *v1alpha1.NodeStatus {
	for i := range v.before.Nodes {
		if s := &v.before.Nodes[i]; s.Name == name {
			return s
		}
	}
	return nil
}

// message says why a node does not serve. What Kubernetes says of its pod comes first,
// with its reason in front: by that it is known to have been said.
func (v *view) message(n *Node) string {
	var parts []string
	c := v.cause(n)
	if c != nil {
		parts = append(parts, c.reason+": "+c.detail)
	}
	old := v.holder(n.Name, gone, unreachable, heard)
	switch {
	case n.Status != nil:
		parts = append(parts, v.processMessage(n))
	case v.isUnasked(n):
		parts = append(parts, "was not asked yet")
	case old != nil && lives(n, old) && !v.fates[old.Incarnation].lost():
		parts = append(parts, v.why(old)+inBrackets(n.Err))
		old = nil
	case v.mayLive(n):
		parts = append(parts, "does not answer"+inBrackets(n.Err))
	case c == nil:
		parts = append(parts, n.stage()+inBrackets(n.Err))
	}
	switch {
	case old == nil:
	case v.fates[old.Incarnation].lost():
		parts = append(parts, "what it held in memory is gone")
	default:
		parts = append(parts, "the process before has the data: "+v.why(old))
	}
	parts = nonEmpty(parts)
	return clip(strings.Join(parts, "; "), maxMessage)
}

// processMessage says why a process that answers does not serve.
func (v *view) processMessage(n *Node) string {
	m := v.member(n)
	switch {
	case v.Layout != nil && m == nil:
		return v.strangerMessage(n)
	case m != nil && m.Phase == layout.Joining:
		return restarted(n) + copying(n)
	case m != nil && m.Phase == layout.Attached:
		return restarted(n) + "takes part in writes, " + copying(n)
	case m != nil && m.Phase == layout.Leaving:
		return "hands its slots over"
	case m != nil && n.Status.Ending:
		return "was told to stop, and goes on until others have what it holds"
	case n.Status.Ready:
		return ""
	case m != nil && n.Status.Epoch > 0 && n.Status.Epoch < v.Layout.Epoch:
		return fmt.Sprintf("layout %d is on its way", v.Layout.Epoch)
	}
	return notReady(n.Status)
}

// strangerMessage is about a process that is no member.
func (v *view) strangerMessage(n *Node) string {
	switch {
	case n.Going:
		return "holds nothing any more"
	case n.Status.Retired:
		return "has handed over all that it held, and is started anew"
	}
	return restarted(n) + "is not let in yet"
}

// restarted says how the process before ended, if that was in the same pod.
func restarted(n *Node) string {
	exit := exitBefore(n)
	if exit == "" {
		return ""
	}
	return "restarted" + inBrackets(exit) + ": "
}

func exitBefore(n *Node) string {
	s := process(n.Pod)
	if s == nil || s.LastTerminationState.Terminated == nil {
		return ""
	}
	return exitOf(s.LastTerminationState.Terminated)
}

func notReady(s *peer.Status) string {
	return clip(cmp.Or(s.Reason, "not ready"), maxDetail)
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + clip(s, maxDetail) + ")"
}

func nonEmpty(parts []string) []string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}
