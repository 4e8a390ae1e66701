package controllers

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/placement"
	"github.com/eiri/seppen/controllers/roster"
)

// plan is what to do about a world: pure, of that world alone.
type plan struct {
	makeSecret bool
	objects    []wanted
	dropSets   []*appsv1.StatefulSet // of a shape that nobody asks for any more, before there is a layout
	dropPods   []*corev1.Pod         // that hold nothing and are of an old template
	next       *layout.Layout
	step       string // placement's word
	retry      bool   // something waits for what was made, or to be said
}

// wanted is an object as it should be and as it is, nil if it is not.
type wanted struct{ want, have client.Object }

// soon is when to look again where something waits.
const soon = 250 * time.Millisecond

func (p *plan) again(otherwise time.Duration) time.Duration {
	if p.retry {
		return soon
	}
	return otherwise
}

func (w *world) plan(image, namespace string) *plan {
	p := &plan{}
	if w.frozen {
		return p
	}
	p.makeSecret = w.missing
	w.planObjects(p, image, namespace)
	w.planDrops(p)
	// A pod that is about to be replaced must not become a member.
	if len(p.dropPods) == 0 {
		w.planLayout(p)
	}
	return p
}

func (w *world) planObjects(p *plan, image, namespace string) {
	c := w.cluster
	add := func(want, have client.Object) { p.objects = append(p.objects, wanted{want, have}) }
	add(objects.Headless(c), w.have["headless"])
	add(objects.Client(c), w.have["client"])
	add(objects.DisruptionBudget(c, len(w.names), objects.Copies(w.names)), w.have["budget"])
	add(objects.NetworkPolicy(c, namespace), w.have["network"])
	// A pod takes the secret from what lies under its name when it starts: without the
	// right one there it must not.
	if w.record.Layout == nil && w.secret == nil {
		return
	}
	for _, name := range w.names {
		set := w.sets[v1alpha1.StatefulSetName(name)]
		switch {
		case set == nil:
			add(objects.StatefulSet(c, name, image), nil)
		case set.Labels[objects.NodeLabel] == name.String() || w.record.Layout != nil:
			add(objects.StatefulSet(c, name, image), set)
		}
	}
}

func (w *world) planDrops(p *plan) {
	if w.record.Layout == nil {
		// Ranges that begin alike have StatefulSets of one name, so the node counts.
		keep := make(map[string]bool, len(w.names))
		for _, name := range w.names {
			keep[name.String()] = true
		}
		for _, set := range w.sets {
			if !keep[set.Labels[objects.NodeLabel]] && metav1.IsControlledBy(set, w.cluster) && set.DeletionTimestamp.IsZero() {
				p.dropSets = append(p.dropSets, set)
			}
		}
		slices.SortFunc(p.dropSets, func(a, b *appsv1.StatefulSet) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, name := range w.names {
		pod := w.pods[name.String()]
		if pod == nil || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		if w.outdated(name) && w.holdsNothing(name, pod) || w.mistaken(name) {
			p.dropPods = append(p.dropPods, pod)
		}
	}
}

// outdated tells whether a node's pod was made from an older template than its
// StatefulSet has now.
func (w *world) outdated(name layout.Name) bool {
	pod, set := w.pods[name.String()], w.sets[v1alpha1.StatefulSetName(name)]
	return pod != nil && set != nil && set.Status.ObservedGeneration == set.Generation && set.Status.UpdateRevision != "" &&
		pod.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision
}

// mistaken tells whether a node started with another secret than the cluster has now,
// before there was a layout: the Secret was changed meanwhile.
func (w *world) mistaken(name layout.Name) bool {
	s := w.sights[name.String()]
	return w.record.Layout == nil && s != nil && errors.Is(s.Err, roster.ErrSecret)
}

// holdsNothing tells whether a pod can go without taking anything with it: its process
// is no member that has data, or there is no process.
func (w *world) holdsNothing(name layout.Name, pod *corev1.Pod) bool {
	if w.record.Layout == nil {
		return true
	}
	if s := w.sights[name.String()]; s != nil && s.Status != nil {
		for i := range w.record.Layout.Members {
			if m := &w.record.Layout.Members[i]; m.Incarnation == s.Status.Incarnation {
				return m.Phase == layout.Joining
			}
		}
		return true
	}
	return noProcess(pod)
}

// noProcess tells whether the kubelet knows of no node's process in a pod: it never
// started, or it ended and its memory with it. Others' containers may well run beside it.
func noProcess(pod *corev1.Pod) bool {
	for i := range pod.Status.ContainerStatuses {
		if s := &pod.Status.ContainerStatuses[i]; s.Name == objects.ContainerName {
			return s.State.Running == nil
		}
	}
	return pod.Status.Phase == corev1.PodPending
}

// planLayout takes the next step of the layout. What stops a change of shape or of
// objects does not stop a node that came back from being let in again.
func (w *world) planLayout(p *plan) {
	if w.stop != nil && w.record.Layout == nil {
		return
	}
	p.next, p.step = placement.Next(w.id, w.record.Layout, w.names, placement.World{Seen: w.observations()})
}

// observations are the processes that answer, in the order of their names. One that is
// being stopped is let into nothing.
func (w *world) observations() []placement.Observation {
	var seen []placement.Observation
	for _, name := range slices.Sorted(maps.Keys(w.sights)) {
		s, pod := w.sights[name], w.pods[name]
		if s.Status == nil || pod == nil || string(pod.UID) != s.Pod {
			continue
		}
		if !pod.DeletionTimestamp.IsZero() && !w.member(s.Status.Incarnation) {
			continue
		}
		seen = append(seen, placement.Observation{
			Name: s.Name, Address: s.Address(), Home: s.Pod,
			Incarnation: s.Status.Incarnation, Cluster: s.Status.Cluster, Epoch: s.Status.Epoch, Layout: s.Status.Layout,
			Purged: s.Status.Purged, Segments: s.Status.Segments, Peers: s.Status.Peers,
		})
	}
	return seen
}

func (w *world) member(incarnation layout.ID) bool {
	if w.record.Layout == nil {
		return false
	}
	return slices.ContainsFunc(w.record.Layout.Members, func(m layout.Member) bool { return m.Incarnation == incarnation })
}

// facts are what the status is made of.
func (w *world) facts(p *plan, stepped bool, now time.Time) *conditions.Facts {
	f := &conditions.Facts{
		Cluster: w.cluster, Now: now, Names: w.names, Copies: objects.Copies(w.names), Shards: w.shards(),
		Layout: w.record.Layout, Stop: w.stop, Step: p.step, Stepped: stepped,
		SecretName: objects.SecretKeyRef(w.cluster).Name,
		Selector:   metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: objects.Selector(w.cluster.Name)}),
	}
	for _, name := range w.names {
		n := conditions.Node{Name: name, Host: objects.Host(w.cluster, name), Pod: w.pods[name.String()], Outdated: w.outdated(name)}
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

// shards are those of the spec as long as its nodes are the ones in effect. Of nodes
// whose numbers nobody gave, or nobody gives any more, each is one.
func (w *world) shards() int {
	if len(w.cluster.Spec.Ranges) == 0 && layout.SameNames(w.asked, w.names) && w.asked != nil {
		return int(*w.cluster.Spec.Shards)
	}
	return len(w.names)
}
