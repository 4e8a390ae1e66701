package controllers

import (
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/membership"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/placement"
)

// plan is what to do about a world: pure, of that world alone.
type plan struct {
	makeSecret bool
	objects    []wanted
	dropSets   []*appsv1.StatefulSet // of nodes that are no more
	dropPods   []*corev1.Pod         // that hold nothing and are to be made anew
	shape      []layout.Range        // that nodes goes by
	nodes      membership.Plan
	known      []membership.Node // what nodes goes by
	next       *layouts.Content  // nil: the record stays
	step       string            // placement's word
	retry      bool              // something waits for what was made, or to be said
}

// wanted is an object as it should be and as it is, nil if it is not.
type wanted struct{ want, have client.Object }

const (
	// atOnce is when to look again after a step: another one may be due.
	atOnce = time.Millisecond
	// soon is when to look again where something waits.
	soon = 250 * time.Millisecond
	// underway is when to look again while the layout is not as it should be. What the nodes
	// say wakes the operator; of machines and of time nobody does.
	underway = 2 * time.Second
)

// again is when to look again.
func (w *world) again(p *plan) time.Duration {
	switch {
	case w.wrote:
		return atOnce
	case p.retry, w.unsure, w.unseen:
		return soon
	case w.record.Layout == nil:
		return look
	case len(w.silent) > 0 || !w.calm(p):
		return underway
	case w.sighted:
		return machineAge
	}
	return look
}

// calm tells whether all nodes stay and are members that serve, and there are no others, nor
// anything that is left of others.
func (w *world) calm(p *plan) bool {
	if w.record.Layout == nil || len(w.left) > 0 || !layout.SameNames(p.nodes.Stay, w.names) || len(w.record.Layout.Members) != len(w.names) {
		return false
	}
	return !slices.ContainsFunc(w.record.Layout.Members, func(m layout.Member) bool {
		return m.Phase != layout.Serving || !slices.Contains(w.names, m.Name)
	})
}

func (w *world) plan(image, namespace string) *plan {
	p := &plan{}
	w.planNodes(p, image)
	if w.frozen {
		return p
	}
	p.makeSecret = w.missing
	w.planObjects(p, image, namespace)
	w.planDrops(p)
	w.planLayout(p)
	return p
}

func (w *world) planObjects(p *plan, image, namespace string) {
	c := w.cluster
	add := func(want, have client.Object) { p.objects = append(p.objects, wanted{want, have}) }
	add(objects.Headless(c), w.have["headless"])
	add(objects.Client(c), w.have["client"])
	add(objects.DisruptionBudget(c, w.budget(p)), w.have["budget"])
	add(objects.NetworkPolicy(c, namespace), w.have["network"])
	// A pod takes the secret from what lies under its name when it starts: without the
	// right one there it must not.
	if w.record.Layout == nil && w.secret == nil {
		return
	}
	for _, name := range w.names {
		if slices.Contains(p.nodes.Dropped, name) {
			continue
		}
		set := w.sets[v1alpha1.StatefulSetName(name)]
		switch {
		case set == nil:
			add(objects.StatefulSet(c, name, image), nil)
		case objects.NodeOf(set) == name.String(), !metav1.IsControlledBy(set, w.cluster):
			add(objects.StatefulSet(c, name, image), set)
		}
	}
}

// budget is how many pods must stay. While nodes come and go, or not all serve, none may be
// evicted: pods of nodes that are no more count as long as they are there.
func (w *world) budget(p *plan) int {
	if !w.calm(p) {
		return len(w.names) + len(w.left)
	}
	return len(w.names) - objects.Evictable(objects.Copies(w.names))
}

// planLayout takes the next step of the layout. If other nodes are to be there, that is made
// durable first, alone: what a step goes by must be what is written. What stops a change of
// objects does not stop one that keeps the cluster's data.
func (w *world) planLayout(p *plan) {
	if w.stop != nil && w.record.Layout == nil {
		return
	}
	if p.next = w.changes(p); p.next != nil {
		return
	}
	next, step := placement.Next(w.id, w.record.Layout, p.nodes.Stay, placement.World{
		Seen: w.observations(p), Silent: w.silent, Ending: w.ending(), Dead: slices.SortedFunc(maps.Keys(w.dead), byBytes),
	})
	p.step = step
	switch {
	case next == nil:
	case w.record.Layout != nil && w.forgets(next):
		p.step, p.retry = "what was lost is to be told first", true
	default:
		p.next = w.follows(p, next)
	}
}

func byBytes(a, b layout.ID) int { return slices.Compare(a[:], b[:]) }

// forgets tells whether a layout has no more the mark of a loss that the status does not
// tell of yet: nobody would ever hear of it.
func (w *world) forgets(next *layout.Layout) bool {
	kept := make(map[uint64]bool)
	for i := range next.Segments {
		kept[next.Segments[i].Loss] = true
	}
	for i := range w.record.Layout.Segments {
		loss := w.record.Layout.Segments[i].Loss
		if loss != 0 && !kept[loss] && !conditions.Told(w.cluster, loss) {
			return true
		}
	}
	return false
}

// facts are what the status is made of.
func (w *world) facts(p *plan, now time.Time) *conditions.Facts {
	f := &conditions.Facts{
		Cluster: w.cluster, Now: now, Wrote: w.told, Names: p.nodes.Stay, Copies: objects.Copies(p.nodes.Stay), Shards: w.shards(p),
		Layout: w.record.Layout, Before: w.before, Stop: w.stop, Step: p.step, Stepped: w.stepped, Surge: w.cluster.Spec.MaxSurge(),
		Silent: w.silent, Dead: w.dead, Left: w.remains(),
		SecretName: objects.SecretKeyRef(w.cluster).Name,
		Selector:   metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: objects.Selector(w.cluster.Name)}),
	}
	for i, name := range w.names {
		n := conditions.Node{
			Name: name, Host: objects.Host(w.cluster, name), Pod: w.pods[name.String()], Earlier: w.earlier[name.String()], Absent: w.absence(name.String()), Outdated: w.outdated(name),
			Going: !slices.Contains(p.nodes.Stay, name), Waiting: slices.Contains(p.nodes.Waiting, name),
		}
		if p.known != nil {
			n.Old, n.Moves, n.Ends = p.known[i].Old, p.known[i].Moves, p.known[i].Ends
		}
		if s := w.sights[name.String()]; s != nil {
			n.Status = s.Status
			if s.Err != nil {
				n.Err = s.Err.Error()
			}
		}
		f.Nodes = append(f.Nodes, n)
	}
	return f
}

// shards are those of the spec. Of nodes whose numbers nobody gave, each is one; with a spec that
// is not valid there are as many as there were.
func (w *world) shards(p *plan) int {
	switch {
	case w.asked == nil && w.cluster.Status.Shards > 0:
		return int(w.cluster.Status.Shards)
	case w.asked == nil, len(w.cluster.Spec.Ranges) > 0:
		return len(p.nodes.Stay)
	}
	return int(*w.cluster.Spec.Shards)
}
