package controllers

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/conditions"
)

// figuresEvery is how often a status is written that has new figures only.
const figuresEvery = look

// wordsEvery is how often one is written in which no condition turned: a large cluster that
// starts has news of some node all the time.
const wordsEvery = time.Second

// report writes the status, if there is something new in it, and then sends the events:
// one that was not written is worked out again, events and all.
func (r *Reconciler) report(ctx context.Context, w *world, p *plan) error {
	now := r.now()
	key := client.ObjectKeyFromObject(w.cluster)
	before := w.cluster.Status
	facts := w.facts(p, now)
	r.written.untold(key, facts)
	status, events := conditions.Of(facts)
	r.written.tell(key, toldOf(w, &status))
	words, figures := conditions.Changed(&before, &status)
	if !words && (!figures || now.Sub(w.told) < figuresEvery) {
		r.written.settle(key)
		return nil
	}
	if !turned(before.Conditions, status.Conditions) && now.Sub(w.told) < wordsEvery {
		p.retry = true
		return nil
	}
	next := w.cluster.DeepCopy()
	next.Status = status
	switch err := r.write(ctx, next, &before); {
	case apierrors.IsNotFound(err):
		return nil // deleted meanwhile
	case err != nil:
		return fmt.Errorf("write status: %w", err)
	}
	r.written.keep(key, next, now)
	r.written.settle(key)
	for _, e := range events {
		r.Events.Eventf(next, nil, e.Type, e.Reason, e.Reason, "%s", e.Message)
	}
	return nil
}

// write writes a status in place of the one before. Steps follow each other faster than the
// cache learns of them: the versions of a resource that nobody else changed are no conflict.
func (r *Reconciler) write(ctx context.Context, next *v1alpha1.SeppenCluster, before *v1alpha1.SeppenClusterStatus) error {
	wanted := next.DeepCopy()
	err := r.Client.Status().Update(ctx, next)
	if !apierrors.IsConflict(err) {
		return err
	}
	now := &v1alpha1.SeppenCluster{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(next), now); err != nil {
		return err
	}
	if now.UID != next.UID || now.Generation != wanted.Generation || !equality.Semantic.DeepEqual(&now.Status, before) {
		return err
	}
	wanted.ResourceVersion = now.ResourceVersion
	wanted.DeepCopyInto(next)
	return r.Client.Status().Update(ctx, next)
}

// turned tells whether a condition has another status or reason.
func turned(before, now []metav1.Condition) bool {
	for i := range now {
		was := meta.FindStatusCondition(before, now[i].Type)
		if was == nil || was.Status != now[i].Status || was.Reason != now[i].Reason || was.ObservedGeneration != now[i].ObservedGeneration {
			return true
		}
	}
	return false
}

// written are the statuses that this process wrote last.
type written struct {
	mu   sync.Mutex
	all  map[types.NamespacedName]writtenStatus
	told map[types.NamespacedName]*told // what was worked out last, for metrics
	open map[types.NamespacedName]*open // what happened since the last one
}

// open is what is still to be told of: a status is not written after each step.
type open struct {
	layout *layout.Layout // of the status that was written last
	dead   map[layout.ID]string
}

// untold adds to the facts what happened since a status was written last.
func (s *written) untold(key types.NamespacedName, f *conditions.Facts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[types.NamespacedName]*open)
	}
	o := s.open[key]
	if o == nil {
		o = &open{layout: f.Before, dead: make(map[layout.ID]string)}
		s.open[key] = o
	}
	maps.Copy(o.dead, f.Dead)
	f.Told, f.Died = o.layout, maps.Clone(o.dead)
}

// settle forgets what was told of.
func (s *written) settle(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, key)
}

// told is what metrics tell of a cluster.
type told struct {
	status  v1alpha1.SeppenClusterStatus
	members map[layout.Phase]int
	lost    int // slots
}

func toldOf(w *world, status *v1alpha1.SeppenClusterStatus) *told {
	t := &told{status: *status.DeepCopy(), members: make(map[layout.Phase]int), lost: conditions.LostSlots(w.cluster, status)}
	if l := w.record.Layout; l != nil {
		for i := range l.Members {
			t.members[l.Members[i].Phase]++
		}
	}
	return t
}

type writtenStatus struct {
	uid    types.UID
	status v1alpha1.SeppenClusterStatus
	at     time.Time
}

// cacheLag is how long the cache may go without a status that was written. Later than
// that, another one that it shows was written by somebody else, and is put right.
const cacheLag = 5 * time.Second

// latest is the status from which the next one is worked out.
func (s *written) latest(key types.NamespacedName, c *v1alpha1.SeppenCluster, now time.Time) writtenStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine, ok := s.all[key]
	if !ok || mine.uid != c.UID {
		return writtenStatus{status: *c.Status.DeepCopy()}
	}
	if now.Sub(mine.at) > cacheLag {
		return writtenStatus{status: *c.Status.DeepCopy(), at: mine.at}
	}
	return writtenStatus{status: *mine.status.DeepCopy(), at: mine.at}
}

func (s *written) keep(key types.NamespacedName, c *v1alpha1.SeppenCluster, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[types.NamespacedName]writtenStatus)
	}
	s.all[key] = writtenStatus{uid: c.UID, status: *c.Status.DeepCopy(), at: at}
}

func (s *written) tell(key types.NamespacedName, t *told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told == nil {
		s.told = make(map[types.NamespacedName]*told)
	}
	s.told[key] = t
}

func (s *written) forget(key types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, key)
	delete(s.told, key)
	delete(s.open, key)
}
