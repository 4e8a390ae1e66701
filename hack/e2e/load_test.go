package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// load are clients that read and write a cluster while something happens to some of its
// nodes. Each of them asks one pod, or the Service; what they are told is kept.
type load struct {
	cluster cluster
	ring    ring
	secret  []byte
	nodes   []string
	gone    []string // those to which something will happen
	prefix  string   // of its keys
	keys    []string
	kept    []string // the values of what is kept
	history *history

	ctx    context.Context //nolint:containedctx // of its clients
	cancel context.CancelFunc
	done   sync.WaitGroup
	pods   atomic.Pointer[map[string]*corev1.Pod] // as they are now
	values atomic.Int64                           // that were made up

	mu     sync.Mutex
	seen   []sighting
	wrong  []string
	struck time.Time
}

var loads atomic.Int64

// sighting is one answer.
type sighting struct {
	made  time.Time // when it was asked for
	way   string    // a pod, "service", or "inside"
	share share
	write bool
	done  bool   // it was not refused
	why   string // it was
}

// share is how much of a slot those have to which something happens.
type share int

const (
	untouched share = iota // they have no copy
	touched                // others have copies too
	lost                   // they have all copies
)

const (
	loadKeys = 36
	loadPace = 60 * time.Millisecond // of each client: other clusters run on this machine too
	loadTime = 6 * time.Second       // is how long a client waits for an answer
)

// startLoad starts a client for each node and two that go through the Service.
func startLoad(t *testing.T, c cluster, nodes []string, gone ...string) *load {
	t.Helper()
	l := &load{cluster: c, ring: c.ring(t, nodes...), secret: c.secret(t), nodes: nodes, gone: gone, history: newHistory()}
	l.prefix = fmt.Sprint("from-", loads.Add(1)) // a key has no history of before
	for i := range loadKeys {
		l.keys = append(l.keys, fmt.Sprintf("%s/load/%02d", l.prefix, i))
	}
	service := &corev1.Service{}
	if err := get(t.Context(), c.namespace, c.name, service); err != nil {
		t.Fatal(err)
	}
	pods := c.podsNow(t)
	l.pods.Store(&pods)
	l.ctx, l.cancel = context.WithCancel(t.Context())
	t.Cleanup(l.cancel)
	l.done.Go(func() { l.followPods(l.ctx) })
	for i := range 2 {
		// Each connection to a Service leads to another pod.
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: direct.Transport.(*http.Transport).DialContext}}
		s := store{"http://" + net.JoinHostPort(service.Spec.ClusterIP, "21285"), fresh}
		l.client("service", uint64(i), func() *store { return &s })
	}
	for i, name := range nodes {
		l.client(name, uint64(10+i), func() *store { return l.at(name) })
	}
	return l
}

// followPods keeps track of where the pods are.
func (l *load) followPods(ctx context.Context) {
	for again := time.NewTicker(200 * time.Millisecond); ctx.Err() == nil; <-again.C {
		// A look-up that is cut short is an error that client-go logs.
		if pods, err := l.cluster.pods(context.WithoutCancel(ctx)); err == nil {
			l.pods.Store(&pods)
		}
	}
}

// at is the pod of a node; nil if there is none at the moment.
func (l *load) at(node string) *store {
	p := (*l.pods.Load())[node]
	if p == nil || p.Status.PodIP == "" {
		return nil
	}
	s := at(p)
	return &s
}

// client asks one thing after the other.
func (l *load) client(way string, seed uint64, to func() *store) {
	l.done.Go(func() {
		random := rand.New(rand.NewPCG(seed, 1))
		read := make(map[string]string) // what it read of each key
		for pace := time.NewTicker(loadPace); l.ctx.Err() == nil; <-pace.C {
			if s := to(); s != nil {
				key := l.keys[random.IntN(len(l.keys))]
				l.ask(*s, way, key, l.choose(random, key, read[key]), read)
			}
		}
	})
}

// choose makes up a call.
func (l *load) choose(random *rand.Rand, key, read string) call {
	switch n := random.IntN(20); {
	case n < 9:
		return call{method: http.MethodGet}
	case n < 11:
		return call{method: http.MethodDelete, match: []string{"", read}[n-9]}
	case n < 12:
		return call{method: http.MethodPut, value: l.value(key), create: true}
	case n < 15 && read != "":
		return call{method: http.MethodPut, value: l.value(key), match: read}
	default:
		return call{method: http.MethodPut, value: l.value(key)}
	}
}

// value makes up a value that shares the fate of its key, so that a key is lost only if
// its own slot is.
func (l *load) value(key string) string {
	want := l.shareOf(l.ring.ownersOfKey(key))
	for {
		v := fmt.Sprintf("%s is %d", key, l.values.Add(1))
		if l.shareOf(l.ring.ownersOfValue(v)) == want {
			return v
		}
	}
}

func (l *load) shareOf(owners []string) share {
	n := 0
	for _, o := range owners {
		if slices.Contains(l.gone, o) {
			n++
		}
	}
	switch n {
	case 0:
		return untouched
	case len(owners):
		return lost
	}
	return touched
}

// ask asks and takes down the answer.
func (l *load) ask(s store, way, key string, in call, read map[string]string) {
	ctx, cancel := context.WithTimeout(l.ctx, loadTime)
	defer cancel()
	var header []string
	if in.match != "" {
		header = append(header, "If-Match", etagOf(l.secret, in.match))
	}
	if in.create {
		header = append(header, "If-None-Match", "*")
	}
	made := time.Now()
	r, err := s.ask(ctx, in.method, "/"+key, in.value, header...)
	out := answer{status: r.status}
	done, why := true, r.body
	if err != nil {
		why = err.Error()
	}
	switch {
	case err != nil && !wasSent(err), r.status == http.StatusServiceUnavailable:
		done = false
	case err != nil, r.status == http.StatusGatewayTimeout:
		out.status, done = 0, false
	case in.method == http.MethodGet && r.status == http.StatusOK:
		out.value, read[key] = r.body, r.body
		if got, want := r.header.Get("ETag"), etagOf(l.secret, r.body); got != want {
			l.note(fmt.Sprintf("GET %s from %s: the ETag of %q is %s, not %s", key, way, r.body, got, want))
		}
	case !slices.Contains([]int{http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusPreconditionFailed}, r.status):
		l.note(fmt.Sprintf("%s %s from %s: %d %s", in.method, key, way, r.status, r.body))
	}
	if done || out.status == 0 {
		l.history.add(key, in, out, made)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, sighting{made, way, l.shareOf(l.ring.ownersOfKey(key)), in.method != http.MethodGet, done, why})
}

// wasSent tells whether a request that failed may have reached anybody.
func wasSent(err error) bool {
	var failed *net.OpError
	return !errors.As(err, &failed) || failed.Op != "dial"
}

func (l *load) note(wrong string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, time.Now().Format(time.TimeOnly)+" "+wrong)
}

// goesOn waits until as many more requests were not refused.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		n := 0
		for _, s := range l.seen {
			if s.done {
				n++
			}
		}
		return n
	}
	enough := count() + 5*loadKeys
	eventually(t, time.Minute, func() error {
		if n := count(); n < enough {
			return fmt.Errorf("%d requests were answered, not %d", n, enough)
		}
		return nil
	})
}
