package controllers

import (
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the API server refused is tried again so soon at first, and so late at last: whoever
// forbids it, such as a quota or a webhook, may allow it later.
const (
	minRefused = time.Second
	maxRefused = 30 * time.Second
)

// refusals are objects that the API server refused to write. A large cluster is looked at often
// and would send all of them each time.
type refusals struct {
	mu  sync.Mutex
	all map[refusedObject]refusal
}

type refusedObject struct {
	kind string
	client.ObjectKey
}

type refusal struct {
	want  client.Object
	err   error
	wait  time.Duration
	until time.Time
}

// of returns why an object was refused, if it is too early to try it again. Another content is
// another try.
func (r *refusals) of(kind string, want client.Object, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.all[refusedObject{kind, client.ObjectKeyFromObject(want)}]
	if !ok || !now.Before(last.until) || !equality.Semantic.DeepEqual(last.want, want) {
		return nil
	}
	return last.err
}

// keep remembers what came of a try.
func (r *refusals) keep(kind string, want client.Object, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusedObject{kind, client.ObjectKeyFromObject(want)}
	last, again := r.all[key]
	if !isRefusal(err) {
		delete(r.all, key)
		return
	}
	wait := minRefused
	if again && equality.Semantic.DeepEqual(last.want, want) {
		wait = min(2*last.wait, maxRefused)
	}
	r.prune(now)
	if r.all == nil {
		r.all = make(map[refusedObject]refusal)
	}
	r.all[key] = refusal{want: want, err: err, wait: wait, until: now.Add(wait)}
}

// prune forgets what nobody wants any more: it would have been tried again.
func (r *refusals) prune(now time.Time) {
	for key, old := range r.all {
		if now.Sub(old.until) > maxRefused {
			delete(r.all, key)
		}
	}
}

// isRefusal tells whether the API server understood and will say the same again, until somebody
// changes something.
func isRefusal(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && refused(int(status.Status().Code))
}
