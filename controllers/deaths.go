package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"golang.org/x/sync/errgroup"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/placement"
	"github.com/eiri/seppen/controllers/proof"
)

const (
	// askTimeout is how long a process may take to say who it is.
	askTimeout = time.Second
	// A machine that is lost is said to be ready for less than this, as Kubernetes is
	// commonly set up.
	machineGrace = time.Minute
)

// observeDeaths finds out which members' processes are proven to have ended. All that it
// goes by was found out after the layout was read, or is true for ever: a process that
// ended does not come back.
func (r *Reconciler) observeDeaths(ctx context.Context, w *world) error {
	w.dead = make(map[layout.ID]string)
	if w.record.Layout == nil {
		return nil
	}
	r.forgetHomes(w)
	q := &inquest{Reconciler: r, world: w, machines: make(map[string]*corev1.Node)}
	var g errgroup.Group
	g.SetLimit(parallel)
	for i := range w.record.Layout.Members {
		if m := &w.record.Layout.Members[i]; !w.answers(m) {
			g.Go(func() error {
				q.examine(ctx, m)
				return nil
			})
		}
	}
	return g.Wait()
}

// forgetHomes forgets the pods in which no member lived and that are gone.
func (r *Reconciler) forgetHomes(w *world) {
	keep := make(map[types.UID]bool)
	for _, pod := range w.pods {
		keep[pod.UID] = true
	}
	for i := range w.record.Layout.Members {
		keep[types.UID(w.record.Layout.Members[i].Home)] = true
	}
	r.homes.Keep(client.ObjectKeyFromObject(w.cluster), keep)
}

// inquest is the search for proofs in one reconcile.
type inquest struct {
	*Reconciler
	*world
	mu       sync.Mutex
	machines map[string]*corev1.Node // that were asked for; nil: not to be had
}

// examine looks for a proof that a member which does not answer is dead.
func (q *inquest) examine(ctx context.Context, m *layout.Member) {
	words, err := q.proof(ctx, m)
	q.mu.Lock()
	defer q.mu.Unlock()
	listed := slices.Contains(q.record.Layout.Dead, m.Incarnation)
	switch {
	case words != "":
		q.dead[m.Incarnation] = words
	case listed:
		q.dead[m.Incarnation] = "its process ended"
	}
	if err != nil && !listed {
		q.unsure = true
		log.FromContext(ctx).Info("it could not be found out whether a member is dead", "node", m.Name.String(), "error", err.Error())
	}
}

// proof says what proves that a member is dead. Empty: nothing does.
func (q *inquest) proof(ctx context.Context, m *layout.Member) (string, error) {
	if end := q.ending(m); end != nil {
		return "its container ended (" + end.Words + ")", nil
	}
	switch replaced, err := q.replaced(ctx, m); {
	case err != nil:
		return "", err
	case replaced:
		return "another process runs in its pod", nil
	case q.silent[m.Incarnation] < placement.SuspectAfter:
		return "", nil
	}
	// What may fail comes last: it must not keep a person from deciding.
	if proof.Presumed(q.cluster.Annotations, m) && !q.vouched(m) {
		return "a person says so (" + proof.PresumedDead + ")", nil
	}
	return q.withMachine(ctx, m)
}

// ending is how a member's container ended, as far as this operator saw it; nil: it did not. Whoever
// is heard of by others has not ended, unless its pod is over.
func (q *inquest) ending(m *layout.Member) *proof.Ending {
	home := types.UID(m.Home)
	switch over := q.homes.Over(home); {
	case over != nil:
		return over
	case q.roster == nil || q.vouched(m):
		return nil
	}
	return q.homes.Ended(home, m.Incarnation, q.roster.Answered(m.Incarnation))
}

// replaced tells whether another process answers, now, from the pod in which a member
// lived. That it is that pod is looked up afterwards: only then the address is its own.
func (q *inquest) replaced(ctx context.Context, m *layout.Member) (bool, error) {
	s := q.sights[m.Name.String()]
	if s == nil || s.Status == nil || s.Pod != m.Home {
		return false, nil
	}
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// Whoever does not answer proves nothing.
	status, err := q.roster.Ask(ask, s.Pod)
	if err != nil || status.Incarnation == m.Incarnation {
		return false, nil
	}
	pod, err := q.pod(ctx, m)
	return pod != nil && pod.Status.PodIP == s.IP, err
}

// pod is the one in which a member lived, as the API server has it now; nil if it is gone.
func (q *inquest) pod(ctx context.Context, m *layout.Member) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	err := q.Live.Get(ctx, types.NamespacedName{Namespace: q.cluster.Namespace, Name: m.Name.String()}, pod)
	if err != nil || string(pod.UID) != m.Home {
		return nil, client.IgnoreNotFound(err)
	}
	return pod, nil
}

// withMachine says what a member's machine proves.
func (q *inquest) withMachine(ctx context.Context, m *layout.Member) (words string, err error) {
	machine, err := q.machine(ctx, q.homes.Machine(types.UID(m.Home)))
	if machine == nil {
		return "", err
	}
	outOfService := func(t corev1.Taint) bool { return t.Key == proof.OutOfService }
	if slices.ContainsFunc(machine.Spec.Taints, outOfService) {
		return "its machine " + machine.Name + " is out of service", nil
	}
	// A process that this operator never heard of: all that can be said is that none runs in
	// its pod, if the kubelet's word is not an old one.
	if q.silent[m.Incarnation] < machineGrace || !ready(machine) {
		return "", nil
	}
	pod, err := q.pod(ctx, m)
	if pod == nil || !proof.Stopped(pod) {
		return "", err
	}
	return "its container ended (" + proof.EndOf(pod).Words + ")", nil
}

func ready(machine *corev1.Node) bool {
	return slices.ContainsFunc(machine.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// machine is one by its name; nil if it is not known, or the operator may not look.
func (q *inquest) machine(ctx context.Context, name string) (*corev1.Node, error) {
	if name == "" {
		return nil, nil
	}
	q.mu.Lock()
	machine, known := q.machines[name]
	q.mu.Unlock()
	if known {
		return machine, nil
	}
	machine = &corev1.Node{}
	err := q.Live.Get(ctx, types.NamespacedName{Name: name}, machine)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		machine = nil
	case err != nil:
		return nil, fmt.Errorf("read node %s: %w", name, err)
	}
	q.mu.Lock()
	q.machines[name] = machine
	q.mu.Unlock()
	return machine, nil
}
