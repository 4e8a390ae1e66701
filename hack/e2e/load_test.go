package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
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

// keptKeys are keys that are written once, before it happens, and never again.
const keptKeys = 30

func (l *load) keeps(i int) string { return fmt.Sprintf("%s/kept/%02d", l.prefix, i) }

// keep writes them.
func (l *load) keep(t *testing.T) {
	t.Helper()
	s := at(l.cluster.podsNow(t)[l.nodes[0]])
	for i := range keptKeys {
		v := l.value(l.keeps(i))
		s.must(t, http.StatusCreated, http.MethodPut, "/"+l.keeps(i), v)
		l.kept = append(l.kept, v)
	}
}

// reads asks every pod for what was kept: all of it is there, but what was in slots all of
// whose copies were lost.
func (l *load) reads(t *testing.T) {
	t.Helper()
	pods := l.cluster.podsNow(t)
	gone := 0
	for i, value := range l.kept {
		for name, p := range pods {
			want := http.StatusOK
			if l.shareOf(l.ring.ownersOfKey(l.keeps(i))) == lost {
				want, gone = http.StatusNotFound, gone+1
			}
			if r := at(p).must(t, want, http.MethodGet, "/"+l.keeps(i), ""); want == http.StatusOK && r.body != value {
				t.Errorf("%s has %q for %s, not %q", name, r.body, l.keeps(i), value)
			}
		}
	}
	t.Logf("each of %d pods has what was written before, %d of %d keys were lost", len(pods), gone/len(pods), keptKeys)
}

// strike makes it happen. What all owners of a slot have is lost from now on.
func (l *load) strike(do func()) {
	l.mu.Lock()
	l.struck = time.Now()
	l.mu.Unlock()
	for _, key := range l.keys {
		if l.shareOf(l.ring.ownersOfKey(key)) == lost {
			l.history.add(key, call{method: loss}, answer{}, time.Now())
		}
	}
	do()
}

// sinceStrike are the answers to what was asked since then, in that order.
func (l *load) sinceStrike() []sighting {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []sighting
	for _, s := range l.seen {
		if s.made.After(l.struck) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sighting) int { return a.made.Compare(b.made) })
	return out
}

// tell prints how long clients had to do without.
func (l *load) tell(name string) {
	var last [2]time.Duration
	for _, s := range l.sinceStrike() {
		if !s.done && l.lives(s.way) {
			last[map[bool]int{false: 0, true: 1}[s.write]] = s.made.Sub(l.struck)
		}
	}
	fmt.Printf("%-34sreads are refused for %.1f s, writes for %.1f s; now is %.1f s\n", "  "+name, last[0].Seconds(), last[1].Seconds(), time.Since(l.struck).Seconds())
}

// lives tells whether a way leads to a node to which nothing happens: who asks the others is
// refused for as long as they are gone.
func (l *load) lives(way string) bool {
	return slices.Contains(l.nodes, way) && !slices.Contains(l.gone, way)
}

// neverStopped: what needs none of those who are gone is served as ever, by the others.
func (l *load) neverStopped(t *testing.T) {
	t.Helper()
	all, refused, told := 0, 0, ""
	for _, s := range l.sinceStrike() {
		if s.share == untouched && l.lives(s.way) {
			all++
			if !s.done {
				refused++
				told += fmt.Sprintf("\nafter %.2f s, %s, write %t: %s", s.made.Sub(l.struck).Seconds(), s.way, s.write, s.why)
			}
		}
	}
	// On a machine that is busy a node may not hear of another one for a second.
	if all < 20 || refused > 3+all/50 {
		t.Errorf("%d of %d requests were refused that need none of %v:%s", refused, all, l.gone, told)
	}
}

// finish ends the clients, asks every pod for every key, and checks all that was heard.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.cancel()
	l.done.Wait()
	pods := l.cluster.podsNow(t)
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		for _, key := range l.keys {
			made := time.Now()
			r, _, err := at(pods[name]).askAgain(t.Context(), http.MethodGet, "/"+key, "")
			if err != nil {
				t.Fatal(err)
			}
			if r.status != http.StatusOK && r.status != http.StatusNotFound {
				t.Errorf("GET %s from %s: %d %s", key, name, r.status, r.body)
				continue
			}
			out := answer{status: r.status}
			if r.status == http.StatusOK {
				out.value = r.body
			}
			l.history.add(key, call{method: http.MethodGet}, out, made)
		}
	}
	if n := len(l.wrong); n > 0 {
		t.Errorf("%d wrong answers:\n%s", n, strings.Join(l.wrong[:min(n, 10)], "\n"))
	}
	l.history.check(t)
}
