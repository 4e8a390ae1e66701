package controllers

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/objects"
)

// absences are since when nodes have had a StatefulSet and no pod. Why, the API server tells the
// StatefulSet controller only. After a restart of the operator it counts anew.
type absences struct {
	mu  sync.Mutex
	all map[types.NamespacedName]map[string]time.Time
}

// see takes in which nodes of a cluster have no pod now, and returns since when.
func (a *absences) see(key types.NamespacedName, without []string, now time.Time) map[string]time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	since := make(map[string]time.Time, len(without))
	for _, name := range without {
		since[name] = now
		if before, known := a.all[key][name]; known {
			since[name] = before
		}
	}
	if a.all == nil {
		a.all = make(map[types.NamespacedName]map[string]time.Time)
	}
	if a.all[key] = since; len(since) == 0 {
		delete(a.all, key)
	}
	return since
}

// observeAbsences finds the nodes whose StatefulSets make no pods, though their names are free.
func (r *Reconciler) observeAbsences(w *world) {
	var without []string
	for _, name := range w.names {
		set, node := w.sets[v1alpha1.StatefulSetName(name)], name.String()
		there := set != nil && metav1.IsControlledBy(set, w.cluster) && objects.NodeOf(set) == node && set.DeletionTimestamp.IsZero()
		if there && w.pods[node] == nil && w.earlier[node] == nil {
			without = append(without, node)
		}
	}
	w.absent = r.absences.see(client.ObjectKeyFromObject(w.cluster), without, w.now)
}

// absence is for how long a node has had no pod.
func (w *world) absence(node string) time.Duration {
	since, known := w.absent[node]
	if !known {
		return 0
	}
	return w.now.Sub(since)
}
