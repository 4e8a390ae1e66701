package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/conditions"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/roster"
)

// world is all that is known of one cluster at one moment.
type world struct {
	cluster *v1alpha1.SeppenCluster // with defaults
	id      layout.ID
	asked   []layout.Name // the nodes that the spec asks for; nil if it is not valid
	names   []layout.Name // the nodes in effect: of the layout once there is one
	record  *layouts.Record
	secret  *uid.Secret // nil: not to be had; stop says why, unless it is to be made
	missing bool        // the secret is to be made
	frozen  bool        // nothing may be done to the cluster's objects; stop says why

	sets map[string]*appsv1.StatefulSet // by name, as far as they are labelled as ours
	pods map[string]*corev1.Pod         // by name, as far as one of sets controls them
	have map[string]client.Object       // the other objects, by kind

	roster *roster.Roster // nil: without a secret
	sights map[string]*roster.Sight

	stop    *conditions.Stop // the first cause why not all can be done
	stepped bool             // a layout was written
}

// halt keeps the first cause why not all can be done. That the spec asks for another
// shape is the least of them.
func (w *world) halt(reason, format string, args ...any) {
	if w.stop == nil || w.stop.Reason == conditions.ShapeFixed {
		w.stop = &conditions.Stop{Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
}

func (r *Reconciler) observe(ctx context.Context, c *v1alpha1.SeppenCluster) (*world, error) {
	w := &world{cluster: c.DeepCopy(), record: &layouts.Record{}}
	w.cluster.Default()
	var err error
	if w.id, err = layouts.ClusterID(w.cluster); err != nil {
		return nil, err
	}
	w.observeSpec()
	for _, observe := range []func(context.Context, *world) error{
		r.observeLayout, r.observeSecret, r.observeSets, r.observePods, r.observeServices, r.observePolicies,
	} {
		if err := observe(ctx, w); err != nil {
			return nil, err
		}
	}
	r.observeNodes(w)
	w.missLayout()
	return w, nil
}

// missLayout freezes a cluster whose layout was lost or set back: what is known of who
// holds what is wrong then, and nothing may be done by it (F15). The status and the nodes
// remember.
func (w *world) missLayout() {
	known := uint64(max(w.cluster.Status.Epoch, 0))
	who := "the status"
	for _, name := range slices.Sorted(maps.Keys(w.sights)) {
		if s := w.sights[name].Status; s != nil && s.Cluster == w.id && s.Epoch > known {
			known, who = s.Epoch, name
		}
	}
	place := objects.LayoutName(w.cluster)
	switch {
	case w.frozen:
	case w.record.Layout == nil && known > 0:
		w.frozen = true
		w.halt(conditions.LayoutLost, "%s knows layout %d and the ConfigMap %s is gone: restore it from a backup, or delete this resource and make it anew, empty", who, known, place)
	case w.record.Layout != nil && w.record.Layout.Epoch < known:
		w.frozen = true
		w.halt(conditions.LayoutConflict, "%s knows layout %d and the ConfigMap %s has layout %d: it was set back; restore the newer one", who, known, place, w.record.Layout.Epoch)
	}
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
		w.record = record
		w.names = record.Layout.Names()
		if w.asked != nil && !layout.SameNames(w.asked, w.names) {
			w.halt(conditions.ShapeFixed, "the cluster has %s and the spec asks for %s: a cluster that has started cannot change its nodes yet; set shards, copies and ranges back", shape(w.names), shape(w.asked))
		}
	default:
		w.record = record
		w.frozen = w.asked == nil
	}
	return nil
}

func shape(names []layout.Name) string {
	return fmt.Sprintf("%d nodes (%s to %s)", len(names), names[0], names[len(names)-1])
}

func (r *Reconciler) observeSecret(ctx context.Context, w *world) error {
	ref := objects.SecretKeyRef(w.cluster)
	own := w.cluster.Spec.SecretRef == nil
	s := &corev1.Secret{}
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: w.cluster.Namespace, Name: ref.Name}, s)
	switch {
	case apierrors.IsNotFound(err) && own && w.record.Layout == nil:
		w.missing = true
		return nil
	case apierrors.IsNotFound(err) && own:
		w.halt(conditions.SecretNotFound, "Secret %s is gone, by which all keys and values are placed: restore it", ref.Name)
		return nil
	case apierrors.IsNotFound(err):
		w.halt(conditions.SecretNotFound, "there is no Secret %s in namespace %s", ref.Name, w.cluster.Namespace)
		return nil
	case err != nil:
		return w.settle(fmt.Errorf("read the secret: %w", err))
	case own && w.record.Layout == nil && !metav1.IsControlledBy(s, w.cluster):
		// Later on the fingerprint tells whether a Secret is the right one, so that it can
		// be restored by anybody.
		w.halt(conditions.NameConflict, "%s; to use it, name it in secretRef", apply.Foreign(w.cluster, s, "Secret"))
		return nil
	}
	w.openSecret(s.Data, ref)
	return nil
}

// maxSecret is what a node accepts from seppen local too.
const maxSecret = 4096

func (w *world) openSecret(data map[string][]byte, ref v1alpha1.SecretReference) {
	text, ok := data[ref.Key]
	text = uid.TrimLine(text)
	if !ok {
		w.halt(conditions.SecretInvalid, "Secret %s has no key %q", ref.Name, ref.Key)
		return
	}
	if len(text) == 0 || len(text) > maxSecret {
		w.halt(conditions.SecretInvalid, "key %q of Secret %s has %d bytes: must be 1 to %d", ref.Key, ref.Name, len(text), maxSecret)
		return
	}
	secret, err := uid.NewSecret(text)
	if err != nil {
		w.halt(conditions.SecretInvalid, "key %q of Secret %s: %s", ref.Key, ref.Name, err)
		return
	}
	if w.record.Layout != nil && w.record.Fingerprint != secret.Fingerprint() {
		w.halt(conditions.SecretChanged, "key %q of Secret %s is not the secret that the cluster started with, by which all keys and values are placed: restore it", ref.Key, ref.Name)
		return
	}
	w.secret = secret
}

func (r *Reconciler) observeSets(ctx context.Context, w *world) error {
	list := &appsv1.StatefulSetList{}
	if err := r.list(ctx, w, list); err != nil {
		return err
	}
	w.sets = make(map[string]*appsv1.StatefulSet, len(list.Items))
	for i := range list.Items {
		w.sets[list.Items[i].Name] = &list.Items[i]
	}
	return nil
}

func (r *Reconciler) observePods(ctx context.Context, w *world) error {
	list := &corev1.PodList{}
	if err := r.list(ctx, w, list); err != nil {
		return err
	}
	w.pods = make(map[string]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pod := &list.Items[i]
		owner := metav1.GetControllerOf(pod)
		if owner == nil {
			continue
		}
		if set := w.sets[owner.Name]; set != nil && set.UID == owner.UID && metav1.IsControlledBy(set, w.cluster) {
			w.pods[pod.Name] = pod
		}
	}
	return nil
}

func (r *Reconciler) list(ctx context.Context, w *world, list client.ObjectList) error {
	err := r.Client.List(ctx, list, client.InNamespace(w.cluster.Namespace), client.MatchingLabels(objects.Labels(w.cluster.Name)))
	if err != nil {
		return fmt.Errorf("list %T: %w", list, err)
	}
	return nil
}

func (r *Reconciler) observeServices(ctx context.Context, w *world) error {
	w.have = make(map[string]client.Object)
	return errors.Join(
		r.get(ctx, w, "headless", objects.HeadlessName(w.cluster), &corev1.Service{}),
		r.get(ctx, w, "client", w.cluster.Name, &corev1.Service{}),
	)
}

func (r *Reconciler) observePolicies(ctx context.Context, w *world) error {
	return errors.Join(
		r.get(ctx, w, "budget", w.cluster.Name, &policyv1.PodDisruptionBudget{}),
		r.get(ctx, w, "network", w.cluster.Name, &networkingv1.NetworkPolicy{}),
	)
}

func (r *Reconciler) get(ctx context.Context, w *world, what, name string, into client.Object) error {
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: w.cluster.Namespace, Name: name}, into)
	if err == nil {
		w.have[what] = into
		return nil
	}
	return client.IgnoreNotFound(err)
}

// observeNodes asks the roster what the nodes' processes said, of the pods there are.
func (r *Reconciler) observeNodes(w *world) {
	key := client.ObjectKeyFromObject(w.cluster)
	w.roster = r.rosters.of(key, w.id, w.secret)
	w.sights = make(map[string]*roster.Sight)
	if w.roster == nil {
		return
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
	w.roster.Publish(w.record.Layout)
	for _, s := range w.roster.Look() {
		w.sights[s.Name.String()] = &s
	}
}

func (r *Reconciler) layouts() *layouts.Store {
	return &layouts.Store{Reader: r.Live, Writer: r.Client}
}
