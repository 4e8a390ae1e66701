package operator

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers"
	"github.com/eiri/seppen/controllers/internal/fakekubelet"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/layouts"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// What runs side by side is waiting most of the time, so more can than there are cores.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(kubetest.Main(m, kubetest.WithControllers(), kubetest.Leaks(
		// The event broadcaster and client-go's HTTP connections end on their own time.
		goleak.IgnoreAnyFunction("k8s.io/client-go/tools/events.(*eventBroadcasterImpl).startRecordingEvents.func1"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("golang.org/x/net/http2.(*clientConnReadLoop).run"), goleak.IgnoreAnyFunction("internal/http2.(*clientConnReadLoop).run"),
	)))
}

// site is one test's namespace, with a kubelet.
type site struct {
	*kubetest.Kube
	t         *testing.T
	namespace string
	kubelet   *fakekubelet.Kubelet
	port      int32
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Kube: kubetest.Get(t), t: t, port: freePort(t)}
	s.namespace = s.Namespace(t)
	config := rest.CopyConfig(s.Config)
	config.QPS = -1 // a machine has a client of its own, and there is one for all here
	c, err := client.New(config, client.Options{Scheme: kubetest.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	s.kubelet = fakekubelet.Start(t, c, s.namespace, s.port, s.mounted)
	return s
}

// freePort is one that is free on all loopback addresses.
func freePort(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return int32(l.Addr().(*net.TCPAddr).Port)
}

// mounted is the secret that a pod would have mounted, whichever the one there is.
func (s *site) mounted() string {
	list := &corev1.SecretList{}
	if err := s.Client.List(context.Background(), list, client.InNamespace(s.namespace)); err != nil {
		return ""
	}
	for i := range list.Items {
		if b := list.Items[i].Data["secret"]; len(b) > 0 {
			return string(b)
		}
	}
	return ""
}

// traffic counts an operator's requests and can cut it off.
type traffic struct {
	next http.RoundTripper

	mu            sync.Mutex
	reads, writes int
	which         []string // the writes
	most          int      // writes that are let through; below 0: all
	lose          bool     // the last of them gets through, but not its answer
	cut           func()
	forbidden     string        // the end of paths
	waits         chan struct{} // one does
	held          chan struct{} // reads wait until it is closed; nil: they do not
}

func (t *traffic) RoundTrip(r *http.Request) (*http.Response, error) {
	// Events and leases are no part of a cluster.
	if strings.Contains(r.URL.Path, "/events") || strings.Contains(r.URL.Path, "/leases") {
		return t.next.RoundTrip(r)
	}
	t.wait(r)
	if t.isForbidden(r) {
		return refusal(r), nil
	}
	last, err := t.count(r)
	if err != nil {
		return nil, err
	}
	res, err := t.next.RoundTrip(r)
	if last && t.lose && err == nil {
		res.Body.Close()
		return nil, errCut
	}
	return res, err
}

var errCut = errors.New("the operator was killed")

func (t *traffic) count(r *http.Request) (last bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dead := t.most >= 0 && t.writes >= t.most
	if r.Method == http.MethodGet {
		if dead {
			return false, errCut
		}
		if r.URL.Query().Get("watch") == "" {
			t.reads++
		}
		return false, nil
	}
	if dead {
		t.cut()
		return false, errCut
	}
	t.writes++
	t.which = append(t.which, r.Method+" "+r.URL.Path)
	return t.writes == t.most, nil
}

func (t *traffic) reset() (reads, writes int, which []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	reads, writes, which = t.reads, t.writes, t.which
	t.reads, t.writes, t.which = 0, 0, nil
	return reads, writes, which
}

// running is an operator at work.
type running struct {
	*controllers.Reconciler
	*traffic
	stop func()
}

// operate runs an operator until the test ends or stop is called. After so many writes
// it is killed; below 0: never.
func (s *site) operate(mutate ...func(*traffic)) *running {
	s.t.Helper()
	config := rest.CopyConfig(s.Config)
	config.QPS = -1
	tr := &traffic{most: -1}
	for _, m := range mutate {
		m(tr)
	}
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper { tr.next = next; return tr }
	o := &options{namespaces: []string{s.namespace}, metrics: "0", health: "0", concurrency: 4, nodeImage: "seppen:test", peerPort: s.port}
	o.controller.RecoverPanic = new(false)
	mgr, r, err := newManager(config, o)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctrl.LoggerInto(context.Background(), mgr.GetLogger()))
	tr.mu.Lock()
	tr.cut = cancel
	tr.mu.Unlock()
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	o2 := &running{Reconciler: r, traffic: tr}
	o2.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && tr.most < 0 {
			s.t.Errorf("the operator ended: %v", err)
		}
		r.Close()
	})
	s.t.Cleanup(o2.stop)
	return o2
}

func (s *site) create(name string, change func(*v1alpha1.SeppenClusterSpec)) *v1alpha1.SeppenCluster {
	s.t.Helper()
	c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}}
	if change != nil {
		change(&c.Spec)
	}
	if err := s.Client.Create(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: s.namespace, Name: name}
}

func (s *site) cluster(name string) *v1alpha1.SeppenCluster {
	s.t.Helper()
	c := &v1alpha1.SeppenCluster{}
	if err := s.Client.Get(s.t.Context(), s.key(name), c); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// edit changes a spec as a user does.
func (s *site) edit(name string, change func(*v1alpha1.SeppenClusterSpec)) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		c := s.cluster(name)
		change(&c.Spec)
		return s.Client.Update(s.t.Context(), c)
	})
}

// says waits until a condition has a status and a reason, about the spec of now.
func (s *site) says(name, kind string, status metav1.ConditionStatus, reason string) *metav1.Condition {
	s.t.Helper()
	var found *metav1.Condition
	kubetest.Eventually(s.t, func() error {
		c := s.cluster(name)
		found = meta.FindStatusCondition(c.Status.Conditions, kind)
		if found == nil || found.Status != status || found.Reason != reason || found.ObservedGeneration != c.Generation {
			return fmt.Errorf("%s: want %s=%s %s, have %s", name, kind, status, reason, tell(c))
		}
		return nil
	})
	return found
}

func tell(c *v1alpha1.SeppenCluster) string {
	var b strings.Builder
	fmt.Fprintf(&b, "generation %d:", c.Generation)
	for _, x := range c.Status.Conditions {
		fmt.Fprintf(&b, "\n  %s=%s %s (%d): %s", x.Type, x.Status, x.Reason, x.ObservedGeneration, x.Message)
	}
	return b.String()
}

func (s *site) serving(name string) *v1alpha1.SeppenCluster {
	s.t.Helper()
	s.says(name, "Ready", metav1.ConditionTrue, "Serving")
	return s.cluster(name)
}

// layout is the durable one, nil if there is none.
func (s *site) layout(name string) *layout.Layout {
	s.t.Helper()
	store := &layouts.Store{Reader: s.Client, Writer: s.Client}
	r, err := store.Read(s.t.Context(), s.cluster(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Layout
}

// sets are the names of all StatefulSets.
func (s *site) sets() []string {
	s.t.Helper()
	list := &appsv1.StatefulSetList{}
	if err := s.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	in := make(map[string]bool)
	for i := range list.Items {
		in[list.Items[i].Name] = true
	}
	return slices.Sorted(maps.Keys(in))
}

func (s *site) pods() []string {
	s.t.Helper()
	list := &corev1.PodList{}
	if err := s.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// reconcile has the operator look once more.
func (s *site) reconcile(o *running, name string) {
	s.t.Helper()
	if _, err := o.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: s.key(name)}); err != nil {
		s.t.Fatal(err)
	}
}

// quiet waits until the operator has not written for a while.
func (s *site) quiet(o *running) {
	s.t.Helper()
	last := time.Now()
	o.reset()
	kubetest.Eventually(s.t, func() error {
		if _, writes, which := o.reset(); writes > 0 {
			last = time.Now()
			return fmt.Errorf("it wrote %v", which)
		}
		if time.Since(last) < time.Second {
			return errors.New("not for long enough")
		}
		return nil
	})
}
