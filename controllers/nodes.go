package controllers

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/placement"
	"github.com/eiri/seppen/controllers/roster"
)

// observeRoster takes up the connections to the cluster's nodes.
func (r *Reconciler) observeRoster(_ context.Context, w *world) error {
	w.roster = r.rosters.of(client.ObjectKeyFromObject(w.cluster), w.id, w.secret)
	return nil
}

// observeNodes asks the roster what the nodes' processes said, of the pods there are.
func (r *Reconciler) observeNodes(_ context.Context, w *world) error {
	w.sights = make(map[string]*roster.Sight)
	if w.roster == nil {
		return nil
	}
	port := r.PeerPort
	if port == 0 {
		port = objects.PeerPort
	}
	// All pods, also those that the spec does not ask for: they may know a layout.
	var targets []roster.Target
	for _, pod := range w.pods {
		name, err := layout.ParseName(pod.Name)
		if err == nil && pod.Status.PodIP != "" && pod.Status.Phase == corev1.PodRunning {
			targets = append(targets, roster.Target{Name: name, Pod: string(pod.UID), IP: pod.Status.PodIP, Port: port})
		}
	}
	w.roster.Watch(targets)
	w.silent = w.roster.Silent()
	for _, s := range w.roster.Look() {
		w.sights[s.Name.String()] = &s
		if s.Status != nil {
			r.homes.Hear(types.UID(s.Pod), s.Status.Incarnation, r.now())
		}
	}
	return nil
}

// answers tells whether a member does.
func (w *world) answers(m *layout.Member) bool {
	s := w.sights[m.Name.String()]
	return s != nil && s.Status != nil && s.Status.Incarnation == m.Incarnation
}

// vouched tells whether a node that answers hears of a member.
func (w *world) vouched(m *layout.Member) bool {
	for _, s := range w.sights {
		if s.Status == nil {
			continue
		}
		for _, p := range s.Status.Peers {
			if p.Incarnation == m.Incarnation && time.Duration(p.Silent)*time.Millisecond < placement.SuspectAfter {
				return true
			}
		}
	}
	return false
}

// observations are the processes that answer, in the order of their names. One that is
// being stopped, or is about to be, gets no duties.
func (w *world) observations(p *plan) []placement.Observation {
	var seen []placement.Observation
	for _, name := range slices.Sorted(maps.Keys(w.sights)) {
		s, pod := w.sights[name], w.pods[name]
		if s.Status == nil || pod == nil || string(pod.UID) != s.Pod {
			continue
		}
		stops := !pod.DeletionTimestamp.IsZero() || s.Status.Ending
		if (stops || slices.Contains(p.dropPods, pod)) && !w.hasDuties(s.Status.Incarnation) {
			continue
		}
		seen = append(seen, placement.Observation{
			Name: s.Name, Address: s.Address(), Home: s.Pod, Answering: s.Answering,
			Incarnation: s.Status.Incarnation, Cluster: s.Status.Cluster, Epoch: s.Status.Epoch, Layout: s.Status.Layout,
			Unfit: stops || s.Status.Retired, Purged: s.Status.Purged, Segments: s.Status.Segments, Peers: s.Status.Peers, Joining: s.Status.Joining,
		})
	}
	return seen
}

func (w *world) hasDuties(incarnation layout.ID) bool {
	if w.record.Layout == nil {
		return false
	}
	return slices.ContainsFunc(w.record.Layout.Members, func(m layout.Member) bool {
		return m.Incarnation == incarnation && m.Phase != layout.Joining
	})
}
