package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/roster"
)

// rosters are the connections to the nodes of all clusters.
type rosters struct {
	wake func(types.NamespacedName)

	mu     sync.Mutex
	all    map[types.NamespacedName]*enrolled
	closed bool
}

type enrolled struct {
	*roster.Roster
	cluster     layout.ID
	fingerprint string
}

// of returns a cluster's roster. Without a secret it is the one from before, as what is
// connected stays so; nil if there is none.
func (r *rosters) of(key types.NamespacedName, cluster layout.ID, secret *uid.Secret) *roster.Roster {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.all[key]
	if old != nil && old.cluster == cluster && (secret == nil || old.fingerprint == secret.Fingerprint()) {
		return old.Roster
	}
	if old != nil {
		go old.Stop() // a node that does not answer must not hold up the others
		delete(r.all, key)
	}
	if secret == nil || r.closed {
		return nil
	}
	wake := func() {
		if r.wake != nil {
			r.wake(key)
		}
	}
	made := &enrolled{Roster: roster.New(cluster, secret.PeerKey(), wake), cluster: cluster, fingerprint: secret.Fingerprint()}
	if r.all == nil {
		r.all = make(map[types.NamespacedName]*enrolled)
	}
	r.all[key] = made
	return made.Roster
}

// isOfAnother tells whether there is a roster of another cluster that had the same name.
func (r *rosters) isOfAnother(key types.NamespacedName, cluster layout.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.all[key]
	return old != nil && old.cluster != cluster
}

// get returns a cluster's roster if there is one.
func (r *rosters) get(key types.NamespacedName) *roster.Roster {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.all[key]; old != nil {
		return old.Roster
	}
	return nil
}

// forget closes a cluster's connections.
func (r *rosters) forget(key types.NamespacedName) {
	r.mu.Lock()
	old := r.all[key]
	delete(r.all, key)
	r.mu.Unlock()
	if old != nil {
		old.Stop()
	}
}

// close closes all connections. Who still looks at a cluster makes no more.
func (r *rosters) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var stopping sync.WaitGroup
	for _, old := range r.all {
		stopping.Go(old.Stop)
	}
	clear(r.all)
	stopping.Wait()
}
