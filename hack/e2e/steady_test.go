package e2e

import (
	"context"
	"fmt"
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

// steady are clients of a cluster's Service that do not give up while what is planned
// happens to its nodes. Nothing of it may they notice.
type steady struct {
	url    string
	secret []byte
	cancel context.CancelFunc
	done   sync.WaitGroup
	values atomic.Int64

	history *history

	mu        sync.Mutex
	answered  int
	refused   int // how often a request was refused with 503
	unknown   int // how often nobody said whether it was executed
	longest   time.Duration
	longestOf string
	wrong     []string
}

const (
	steadyClients = 6
	steadyKeys    = 24
	steadyPace    = 15 * time.Millisecond

	// outage is for how long a client may have to wait for a key, and outageNever is what
	// fails a test, on a machine that has three more to be: a change that waits for a lease, or
	// for a process that is gone, takes longer.
	outage      = time.Second
	outageNever = 2500 * time.Millisecond
)

// startSteady starts the clients. Half of them keep their connections, to the others each
// request is one of its own, to any pod.
func startSteady(t *testing.T, c cluster) *steady {
	t.Helper()
	service := &corev1.Service{}
	if err := get(t.Context(), c.namespace, c.name, service); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) // it goes on from one step to the next
	s := &steady{
		url: "http://" + net.JoinHostPort(service.Spec.ClusterIP, "21285"), secret: c.secret(t), cancel: cancel, history: newHistory(),
	}
	for i := range steadyClients {
		client := &http.Client{Transport: &http.Transport{
			DisableKeepAlives: i%2 == 0, DialContext: (&net.Dialer{Timeout: 300 * time.Millisecond}).DialContext,
		}}
		s.done.Go(func() {
			defer client.CloseIdleConnections()
			s.client(ctx, store{s.url, client}, rand.New(rand.NewPCG(uint64(i), 5)))
		})
	}
	return s
}

func (s *steady) client(ctx context.Context, to store, random *rand.Rand) {
	read := make(map[string]string)
	pace := time.NewTicker(steadyPace)
	defer pace.Stop()
	for ; ctx.Err() == nil; <-pace.C {
		key := fmt.Sprintf("/steady/%02d", random.IntN(steadyKeys))
		in := call{method: http.MethodGet}
		switch n := random.IntN(20); {
		case n < 9:
		case n < 11:
			in = call{method: http.MethodDelete, match: []string{"", read[key]}[n-9]}
		case n < 13 && read[key] != "":
			in = call{method: http.MethodPut, value: s.value(), match: read[key]}
		case n < 14:
			in = call{method: http.MethodPut, value: s.value(), create: true}
		default:
			in = call{method: http.MethodPut, value: s.value()}
		}
		s.insist(ctx, to, key, in, read)
	}
}

func (s *steady) value() string { return fmt.Sprintf("value %d", s.values.Add(1)) }

// insist asks until there is an answer: again at once where nobody took the request, and
// after what Retry-After asks for where it was refused.
func (s *steady) insist(ctx context.Context, to store, key string, in call, read map[string]string) {
	var header []string
	if in.match != "" {
		header = append(header, "If-Match", etagOf(s.secret, in.match))
	}
	if in.create {
		header = append(header, "If-None-Match", "*")
	}
	began, refused := time.Now(), 0
	for ctx.Err() == nil {
		made := time.Now()
		r, err := to.ask(ctx, in.method, key, in.value, header...)
		switch {
		case err != nil && !wasSent(err):
			time.Sleep(10 * time.Millisecond)
			continue
		case err == nil && r.status == http.StatusServiceUnavailable:
			refused++
			s.note("503: "+r.body, false)
			time.Sleep(time.Second)
			continue
		}
		// Also when the clients are being stopped: it may have been executed.
		s.heard(key, in, r, err, made, read)
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused += refused
	s.answered++
	if took := time.Since(began); took > s.longest {
		s.longest, s.longestOf = took, fmt.Sprintf("%s %s", in.method, key)
	}
}

// heard takes down an answer.
func (s *steady) heard(key string, in call, r reply, err error, made time.Time, read map[string]string) {
	out := answer{status: r.status}
	switch {
	case err != nil, r.status == http.StatusGatewayTimeout:
		out.status = 0
		s.mu.Lock()
		s.unknown++
		s.mu.Unlock()
		s.note(fmt.Sprintf("%s %s: %v %d %s", in.method, key, err, r.status, r.body), false)
	case in.method == http.MethodGet && r.status == http.StatusOK:
		out.value, read[key] = r.body, r.body
		if got, want := r.header.Get("ETag"), etagOf(s.secret, r.body); got != want {
			s.note(fmt.Sprintf("GET %s: the ETag of %q is %s, not %s", key, r.body, got, want), true)
		}
	case !slices.Contains([]int{http.StatusCreated, http.StatusNoContent, http.StatusNotFound, http.StatusPreconditionFailed}, r.status):
		s.note(fmt.Sprintf("%s %s: %d %s", in.method, key, r.status, r.body), true)
	}
	s.history.add(key, in, out, made)
}

// note keeps what is odd, and what is wrong.
func (s *steady) note(what string, wrong bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wrong {
		what = "WRONG: " + what
	}
	s.wrong = append(s.wrong, time.Now().Format("15:04:05.000")+" "+what)
}

// during has something done while the clients are at work, and says what they noticed.
func (s *steady) during(t *testing.T, what string, do func()) {
	t.Helper()
	s.duringUpTo(t, outageNever, what, do)
}

// duringUpTo is the same where clients may have to wait for so long.
func (s *steady) duringUpTo(t *testing.T, never time.Duration, what string, do func()) {
	t.Helper()
	s.mu.Lock()
	s.longest, s.wrong, s.refused, s.unknown = 0, nil, 0, 0
	s.mu.Unlock()
	began := time.Now()
	do()
	s.goesOn(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s: %.1f s, the longest that a client waited was %.2f s (%s), %d answers were 503, %d outcomes are unknown",
		what, time.Since(began).Seconds(), s.longest.Seconds(), s.longestOf, s.refused, s.unknown)
	fmt.Println(line)
	if s.longest > outage {
		fmt.Printf("  that is more than %v\n", outage)
	}
	odd := strings.Join(s.wrong[:min(len(s.wrong), 10)], "\n")
	if odd != "" {
		t.Logf("%s\n%s", line, odd)
	}
	if s.longest > never || strings.Contains(odd, "WRONG") {
		t.Errorf("%s\n%s", line, odd)
	}
}

// goesOn waits until all clients have been answered again.
func (s *steady) goesOn(t *testing.T) {
	t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.answered
	}
	enough := count() + 20*steadyClients
	eventually(t, time.Minute, func() error {
		if n := count(); n < enough {
			return fmt.Errorf("%d requests were answered, not %d", n, enough)
		}
		return nil
	})
}

// stop ends the clients and judges what they were told.
func (s *steady) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	s.done.Wait()
	s.history.check(t)
}
