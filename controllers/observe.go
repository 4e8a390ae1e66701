package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/roster"
)

// world is all that is known of one cluster at one moment.
type world struct {
	cluster *v1alpha1.SeppenCluster // with defaults, and the status that was written last
	told    time.Time               // when that was
	id      layout.ID
	now     time.Time
	asked   []layout.Name // the nodes that the spec asks for; nil if it is not valid
	names   []layout.Name // the nodes there are: of the record once there is one
	record  *layouts.Record
	before  *layout.Layout // the record's, before a step was taken
	secret  *uid.Secret    // nil: not to be had; stop says why, unless it is to be made
	missing bool           // the secret is to be made
	frozen  bool           // nothing may be done to the cluster's objects; stop says why

	sets    map[string]*appsv1.StatefulSet // by name, as far as they are labelled as ours
	pods    map[string]*corev1.Pod         // by name, those that one of sets controls or a member lives in
	earlier map[string]*corev1.Pod         // by name, other ones that are labelled as ours
	absent  map[string]time.Time           // nodes that have no pod, and since when
	left    map[string]*corev1.Pod         // nodes that are not in the record, and of which a set or pod is there
	have    map[string]client.Object       // the other objects, by kind

	taken taken // names that others have

	roster *roster.Roster // nil: without a secret
	sights map[string]*roster.Sight
	silent map[layout.ID]time.Duration // members, as in placement.World
	dead   map[layout.ID]string        // members whose processes ended, and what proves it
	unsure bool                        // whether somebody is dead could not be found out

	machines map[string]*corev1.Node // of pods that hold something; nil: not known
	sighted  bool                    // the operator may read machines
	unseen   bool                    // it is the turn of others to be read

	stop    *conditions.Stop // the first cause why not all can be done
	wrote   bool             // the record was
	stepped bool             // with another layout
}

// halt keeps the first cause why not all can be done.
func (w *world) halt(reason, format string, args ...any) {
	if w.stop == nil {
		w.stop = &conditions.Stop{Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
}

func (r *Reconciler) observe(ctx context.Context, c *v1alpha1.SeppenCluster) (*world, error) {
	w := &world{cluster: c.DeepCopy(), record: &layouts.Record{}, now: r.now()}
	w.cluster.Default()
	// The cache may not have what we wrote last; without it we would tell it twice.
	last := r.written.latest(client.ObjectKeyFromObject(c), c, w.now)
	w.cluster.Status, w.told = last.status, last.at
	var err error
	if w.id, err = layouts.ClusterID(w.cluster); err != nil {
		return nil, err
	}
	w.observeSpec()
	for _, observe := range []func(context.Context, *world) error{
		r.observeLayout, r.observeSecret, r.observeRoster, r.observeSets, r.observePods, r.observeLeft, r.observeTaken, r.observeServices, r.observePolicies,
		r.observeNodes, r.missLayout, r.observeDeaths, r.observeMachines,
	} {
		if err := observe(ctx, w); err != nil {
			return nil, err
		}
	}
	if w.roster != nil && !w.frozen {
		w.roster.Publish(w.record.Layout)
	}
	if w.roster != nil {
		w.roster.Settings(w.settings())
	}
	return w, nil
}

func (w *world) observeSpec() {
	errs := w.cluster.Validate()
	if len(errs) == 0 {
		names, err := w.cluster.Nodes()
		if err == nil {
			w.asked, w.names = names, names
			return
		}
		w.halt(conditions.InvalidSpec, "%s", err)
		return
	}
	w.halt(conditions.InvalidSpec, "%s", errs.ToAggregate())
}

// observeLayout reads the layout. It says which nodes the cluster has, whatever the
// spec asks for.
func (r *Reconciler) observeLayout(ctx context.Context, w *world) error {
	store := r.layouts()
	record, err := store.Read(ctx, w.cluster)
	switch {
	case errors.Is(err, layouts.ErrUnreadable):
		w.frozen = true
		w.halt(conditions.LayoutUnreadable, "%s", err)
	case errors.Is(err, layouts.ErrForeign):
		w.frozen = true
		w.halt(conditions.NameConflict, "%s", err)
	case err != nil:
		w.frozen = true
		return w.settle(fmt.Errorf("read layout: %w", err))
	case record.Layout != nil:
		w.record, w.before = record, record.Layout
		w.names = record.Names
	default:
		w.record = record
		w.frozen = w.asked == nil
	}
	return nil
}

// settings are what the nodes are told. A node that is being stopped and holds something must be
// copied before its end: by no less than its grace period was reckoned for.
func (w *world) settings() peer.Settings {
	limit := w.cluster.Spec.TransferLimit()
	holds := func(pod *corev1.Pod) bool { return !pod.DeletionTimestamp.IsZero() && !w.holdsNothing(pod) }
	if limit > 0 && slices.ContainsFunc(slices.Collect(maps.Values(w.pods)), holds) {
		limit = max(limit, objects.EndingBytesPerSecond)
	}
	return peer.Settings{TransferBytesPerSecond: limit}
}

func (r *Reconciler) layouts() *layouts.Store {
	return &layouts.Store{Reader: r.Live, Writer: r.Client}
}
