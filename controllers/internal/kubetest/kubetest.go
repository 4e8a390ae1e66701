// Package kubetest gives tests a real Kubernetes API server of their own, with the
// definition of SeppenCluster, and if they want it the real controllers beside it:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		kube := kubetest.Get(t)
//		namespace := kube.Namespace(t)
//
// It starts with the first test that asks for it, so other tests of the package need
// nothing and wait for nothing. There are no machines: pods are made but never run.
package kubetest

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/eiri/seppen/api/v1alpha1"
)

// assets names the environment variable with the folder of Kubernetes' programs. It is
// the one that controller-runtime's envtest has.
const assets = "KUBEBUILDER_ASSETS"

// Kube is a running API server.
type Kube struct {
	Config     *rest.Config  // of a user who may do everything
	Client     client.Client // reads past any cache; it knows Scheme
	Kubectl    string        // the path of kubectl
	Kubeconfig string        // the path of that user's kubeconfig
}

// settings are what the options of Main set.
type settings struct {
	controllers []string
	leaks       []goleak.Option
}

// Option changes what Main does.
type Option func(*settings)

// WithControllers runs a kube-controller-manager too, with what turns StatefulSets into
// pods, deletes what lost its owner or its namespace, and so on. More of its controllers
// can be named.
func WithControllers(more ...string) Option {
	return func(s *settings) { s.controllers = append(append(s.controllers, usual...), more...) }
}

// Leaks says which goroutines may be left when all tests are done.
func Leaks(opts ...goleak.Option) Option {
	return func(s *settings) { s.leaks = append(s.leaks, opts...) }
}

// The API server of this test binary.
var shared struct {
	mu     sync.Mutex
	set    *settings // nil: Main was not called
	kube   *Kube
	err    error
	cancel func() error // nil: it does not run
}

// Main runs a package's tests, stops what they started and sees that they left no
// goroutine behind. It returns the exit code.
func Main(m *testing.M, opts ...Option) int {
	set := &settings{}
	for _, o := range opts {
		o(set)
	}
	// Otherwise controller-runtime complains of the lack of a logger in its midst.
	log.SetLogger(logr.Discard())
	shared.mu.Lock()
	shared.set = set
	shared.mu.Unlock()
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "kubetest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(set.leaks...); err != nil {
			fmt.Fprintln(os.Stderr, "kubetest:", err)
			code = 1
		}
	}
	return code
}

// Get returns the API server of this test binary. Without the programs to run one the
// test is skipped.
func Get(t testing.TB) *Kube {
	t.Helper()
	if os.Getenv(assets) == "" {
		t.Skip("set " + assets + ": hack/kube/build.sh api builds what it needs")
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.set == nil {
		t.Fatal("kubetest.Get without kubetest.Main in TestMain")
	}
	if shared.kube == nil && shared.err == nil {
		shared.kube, shared.cancel, shared.err = start(shared.set)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.kube
}

func stop() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.cancel == nil {
		return nil
	}
	return shared.cancel()
}

// Scheme returns a scheme of Kubernetes' own kinds and ours.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	// They fail only if two types claim one kind.
	if err := scheme.AddToScheme(s); err != nil {
		panic(err)
	}
	if err := v1alpha1.AddToScheme(s); err != nil {
		panic(err)
	}
	return s
}
