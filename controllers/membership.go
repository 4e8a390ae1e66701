package controllers

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/controllers/objects"
)

// planNodes decides which nodes there are from now on. Before the first layout these are the
// ones that the spec asks for.
func (w *world) planNodes(p *plan, image string) {
	p.shape = w.shape()
	if w.record.Layout == nil || w.frozen {
		p.nodes = membership.Plan{Nodes: w.names, Stay: w.names, Serial: w.record.Serial}
		return
	}
	revision := objects.Revision(w.cluster, image)
	nodes := make([]membership.Node, len(w.names))
	for i, name := range w.names {
		nodes[i] = w.node(name, revision)
	}
	wish := membership.Wish{Cluster: w.cluster.Name, Shape: p.shape, Surge: w.cluster.Spec.MaxSurge(), Taken: w.taken.has}
	p.nodes = membership.Next(wish, nodes, w.serial())
	p.known = nodes
}

// shape is the ranges that the spec asks for. Of a spec that is not valid nothing can be known:
// then it is the one that the nodes were planned by last.
func (w *world) shape() []layout.Range {
	if w.asked != nil {
		return inOrder(membership.Shape(w.asked))
	}
	return w.recordedShape()
}

// recordedShape is the record's. In one of an older operator each node has its range.
func (w *world) recordedShape() []layout.Range {
	if len(w.record.Shape) > 0 {
		return w.record.Shape
	}
	return inOrder(membership.Shape(w.names))
}

// inOrder sorts the ranges of a shape: in another order it is the same one.
func inOrder(shape []layout.Range) []layout.Range {
	slices.SortFunc(shape, func(a, b layout.Range) int { return cmp.Or(cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi)) })
	return shape
}

// node is what is known of one.
func (w *world) node(name layout.Name, revision string) membership.Node {
	n := membership.Node{Name: name, Phase: w.furthest(name), Ends: w.ends(name) || w.displaced(name)}
	pod := w.pods[name.String()]
	if pod == nil || w.holdsNothing(pod) {
		return n
	}
	n.Moves = w.emptied(pod)
	// Which template one that is not valid asks for cannot be known.
	n.Old = w.asked != nil && pod.Labels[objects.RevisionLabel] != revision
	return n
}

// furthest is how far a node's member has come, 0 where there is none. One that leaves has
// everything, and yet one that serves is further.
func (w *world) furthest(name layout.Name) layout.Phase {
	order := []layout.Phase{layout.Joining, layout.Attached, layout.Leaving, layout.Serving}
	best := -1
	for i := range w.record.Layout.Members {
		if m := &w.record.Layout.Members[i]; m.Name == name {
			best = max(best, slices.Index(order, m.Phase))
		}
	}
	if best < 0 {
		return 0
	}
	return order[best]
}

// ends tells whether a node's end is set: its pod is being deleted and holds something, or will
// be in the way for long, or its process was told to stop and has duties.
//
// A pod that is being deleted and holds nothing is not meant: one of its name comes back at
// once.
func (w *world) ends(name layout.Name) bool {
	pod := w.pods[name.String()]
	if pod == nil {
		return false
	}
	if pod.DeletionTimestamp != nil && (!w.holdsNothing(pod) || w.overdue(pod) || w.lost(pod)) {
		return true
	}
	s := w.sights[name.String()]
	return s != nil && s.Status != nil && s.Status.Ending && w.hasDuties(s.Status.Incarnation)
}

// changes is what the record is to become if other nodes are planned than there are, or by
// another shape; nil if not.
func (w *world) changes(p *plan) *layouts.Content {
	same := p.nodes.Serial == w.record.Serial && layout.SameNames(p.nodes.Nodes, w.names) && slices.Equal(p.shape, w.recordedShape())
	if w.record.Layout == nil || same {
		return nil
	}
	return &layouts.Content{Layout: w.record.Layout, Names: p.nodes.Nodes, Serial: p.nodes.Serial, Shape: p.shape}
}

// follows is what the record is to become with the next layout: a node that goes and whose last
// member that takes is dropped with it.
func (w *world) follows(p *plan, next *layout.Layout) *layouts.Content {
	members := next.Names()
	names := slices.DeleteFunc(slices.Clone(w.names), func(n layout.Name) bool {
		return !slices.Contains(p.nodes.Stay, n) && !slices.Contains(members, n)
	})
	return &layouts.Content{Layout: next, Names: names, Serial: w.record.Serial, Shape: p.shape}
}

// isRetired tells whether a node's process can be no member any more, and is none.
func (w *world) isRetired(name layout.Name, pod *corev1.Pod) bool {
	s := w.sights[name.String()]
	return s != nil && s.Status != nil && s.Pod == string(pod.UID) && s.Status.Retired && !isMember(w.record.Layout, s.Status.Incarnation)
}

func isMember(l *layout.Layout, incarnation layout.ID) bool {
	return l != nil && slices.ContainsFunc(l.Members, func(m layout.Member) bool { return m.Incarnation == incarnation })
}
