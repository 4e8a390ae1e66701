package apply_test

import (
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/objects"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// bench is an applier in a namespace of its own, with a cluster to own objects and a
// client for everybody else.
type bench struct {
	client.Client // everybody else's
	t             *testing.T
	applier       apply.Applier
	requests      *atomic.Int64 // of the applier
	writes        *atomic.Int64 // those that are no look at something
	cluster       *v1alpha1.SeppenCluster
}

type countTransport struct {
	*bench
	next http.RoundTripper
}

func (c countTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	if r.Method != http.MethodGet {
		c.writes.Add(1)
	}
	return c.next.RoundTrip(r)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	kube := kubetest.Get(t)
	b := &bench{t: t, Client: client.WithFieldOwner(kube.Client, "somebody"), requests: new(atomic.Int64), writes: new(atomic.Int64)}
	config := rest.CopyConfig(kube.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countTransport{b, next} })
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	b.applier.Client, err = client.New(config, client.Options{HTTPClient: transport, Scheme: kubetest.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	b.cluster = b.newCluster(kube.Namespace(t), "snow")
	return b
}

// in is the same bench for a subtest.
func (b *bench) in(t *testing.T) *bench {
	sub := *b
	sub.t = t
	return &sub
}

func (b *bench) newCluster(namespace, name string) *v1alpha1.SeppenCluster {
	b.t.Helper()
	c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	b.must(b.Create(b.t.Context(), c))
	return c
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// want reads an object, which the cluster is to own.
func (b *bench) want(text string) client.Object {
	b.t.Helper()
	o := b.object(text)
	o.SetOwnerReferences([]metav1.OwnerReference{objects.Owner(b.cluster)})
	return o
}

func (b *bench) object(text string) client.Object {
	b.t.Helper()
	var kind metav1.TypeMeta
	b.must(yaml.Unmarshal([]byte(text), &kind))
	o, ok := map[string]client.Object{
		"StatefulSet":         &appsv1.StatefulSet{},
		"Service":             &corev1.Service{},
		"PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
		"NetworkPolicy":       &networkingv1.NetworkPolicy{},
		"ConfigMap":           &corev1.ConfigMap{},
	}[kind.Kind]
	if !ok {
		b.t.Fatalf("what is a %q?", kind.Kind)
	}
	b.must(yaml.UnmarshalStrict([]byte(text), o))
	o.SetNamespace(b.cluster.Namespace)
	return o
}

// have is what a cache would hold of an object, nil if it is not there.
func (b *bench) have(o client.Object) client.Object {
	b.t.Helper()
	have := zero(o)
	err := b.Get(b.t.Context(), client.ObjectKeyFromObject(o), have)
	if client.IgnoreNotFound(err) != nil {
		b.t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return have
}

// apply applies to what there is and returns whether that wrote.
func (b *bench) apply(want client.Object) bool {
	b.t.Helper()
	have, before := b.have(want), b.writes.Load()
	wrote, err := b.applier.Object(b.t.Context(), b.cluster, want, have)
	b.must(err)
	if n := b.writes.Load() - before; wrote != (n == 1) || n > 1 {
		b.t.Errorf("it says %v and wrote %d times", wrote, n)
	}
	return wrote
}

// applied applies and returns what there is then.
func (b *bench) applied(want client.Object) client.Object {
	b.t.Helper()
	b.apply(want)
	return b.have(want)
}

// settled fails the test if a further apply sends anything.
func (b *bench) settled(want client.Object) {
	b.t.Helper()
	before := b.requests.Load()
	if b.apply(want) || b.requests.Load() != before {
		b.t.Errorf("one more apply sent %d requests", b.requests.Load()-before)
	}
}

// patch is what somebody else does to an object.
func (b *bench) patch(o client.Object, text string) {
	b.t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	b.must(err)
	b.must(b.Patch(b.t.Context(), o, client.RawPatch("application/merge-patch+json", data)))
}

// untouched fails the test if an object is not the very one, of the same version.
func (b *bench) untouched(o client.Object) {
	b.t.Helper()
	now := b.have(o)
	if now == nil || now.GetUID() != o.GetUID() || now.GetResourceVersion() != o.GetResourceVersion() {
		b.t.Errorf("%s was touched: %v", o.GetName(), now)
	}
}

// remove deletes an object and waits until it is gone.
func (b *bench) remove(o client.Object) {
	b.t.Helper()
	b.must(b.Delete(b.t.Context(), o))
	kubetest.Eventually(b.t, func() error {
		if b.have(o) != nil {
			return fmt.Errorf("%s is still there", o.GetName())
		}
		return nil
	})
}
