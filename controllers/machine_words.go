package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// machineAge is how old what is known of a machine may be, and so how soon it is seen that
	// one is cordoned.
	machineAge = 5 * time.Second
	// machinePace is how often machines are asked about at most, however many there are: with
	// more than a hundred, each is asked about less often.
	machinePace = 50 * time.Millisecond
	// machineReads is how many are asked about in one look, at the same time, and machineTimeout
	// how long that may take: the layout's next step waits for it.
	machineReads   = 8
	machineTimeout = 500 * time.Millisecond
	// refusedAge is for how long an operator that may not read machines does not try.
	refusedAge = time.Minute
)

// machines are what is known of Nodes, whose word is to be had by their names only: nobody who
// looks after one cluster needs the list of them.
type machines struct {
	mu      sync.Mutex
	known   map[string]*knownMachine
	refused time.Time // when it was last said that the operator may not
}

type knownMachine struct {
	node   *corev1.Node // as it was when it was read; nil: there is none, or it never was
	tried  time.Time    // when it was last read, or that failed; zero: never
	wanted time.Time    // when somebody last wanted to know of it
}

// readable tells whether the operator may read machines, as far as is known.
func (m *machines) readable(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mayRead(now)
}

func (m *machines) mayRead(now time.Time) bool {
	return m.refused.IsZero() || now.Sub(m.refused) >= refusedAge
}

// of is a machine as it was a moment ago; nil if it is not known.
func (m *machines) of(name string, now time.Time) *corev1.Node {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.known[name]
	if k == nil || !m.mayRead(now) {
		return nil
	}
	return k.node
}

// refresh asks about a few of those machines of which nothing is known, or nothing new. It tells
// whether it is the turn of others too: until then what is known of them counts.
func (m *machines) refresh(ctx context.Context, live client.Reader, names []string, now time.Time) (more bool) {
	due, more := m.due(names, now)
	ctx, cancel := context.WithTimeout(ctx, machineTimeout)
	defer cancel()
	var reading sync.WaitGroup
	for _, name := range due {
		reading.Go(func() { m.read(ctx, live, name, now) })
	}
	reading.Wait()
	return more
}

// due are the machines whose turn it is, those first that were tried longest ago, and from now on
// they were tried. Machines that nobody wants to know of any more are forgotten.
func (m *machines) due(names []string, now time.Time) (due []string, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.mayRead(now) {
		return nil, false
	}
	if m.known == nil {
		m.known = make(map[string]*knownMachine)
	}
	for _, name := range names {
		if m.known[name] == nil {
			m.known[name] = &knownMachine{}
		}
		m.known[name].wanted = now
	}
	age := max(machineAge, time.Duration(len(m.known))*machinePace)
	for name, k := range m.known {
		if now.Sub(k.wanted) > 10*age {
			delete(m.known, name)
		}
	}
	for _, name := range names {
		if k := m.known[name]; k.tried.IsZero() || now.Sub(k.tried) >= age {
			due = append(due, name)
		}
	}
	slices.SortStableFunc(due, func(a, b string) int { return m.known[a].tried.Compare(m.known[b].tried) })
	more = len(due) > machineReads
	due = due[:min(len(due), machineReads)]
	for _, name := range due {
		m.known[name].tried = now
	}
	return due, more
}

// read asks about one. If there is no answer what is known of it goes on to count.
func (m *machines) read(ctx context.Context, live client.Reader, name string, now time.Time) {
	node := &corev1.Node{}
	err := live.Get(ctx, types.NamespacedName{Name: name}, node)
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.known[name]
	switch {
	case apierrors.IsForbidden(err):
		m.refused = now
	case k == nil: // forgotten meanwhile
	case apierrors.IsNotFound(err):
		k.node = nil
	case err != nil:
		log.FromContext(ctx).V(1).Info("a machine could not be read", "machine", name, "error", err.Error())
	default:
		k.node = node
	}
}
