package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/eiri/seppen/api/v1alpha1"
)

const (
	root              = "../.." // of the source tree
	sample            = root + "/config/samples/seppencluster.yaml"
	operatorNamespace = "seppen-system"
)

var (
	environment env.Environment
	kube        client.WithWatch // for waiting; what a person would do is done with kubectl
	image       = fromEnv("E2E_IMAGE", "seppen:e2e")
	binary      = fromEnv("E2E_BINARY", root+"/bin/seppen")
)

func fromEnv(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

func TestMain(m *testing.M) {
	// A test that passes because there is no cluster would be worse than none.
	if os.Getenv("KUBECONFIG") == "" {
		fmt.Fprintln(os.Stderr, "these tests need a Kubernetes cluster of their own: run hack/e2e.sh")
		os.Exit(1)
	}
	var err error
	if environment, err = env.NewFromFlags(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	environment.Setup(connect, clean, setApart, install).BeforeEachFeature(startClock).AfterEachFeature(tellTime)
	// What was made is left to be looked at: the cluster ends with the tests, and clean
	// is how the next run begins where somebody keeps it.
	os.Exit(environment.Run(m))
}

func connect(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return ctx, fmt.Errorf("read KUBECONFIG: %w", err)
	}
	config.QPS = -1 // tests that run at the same time must not wait for each other
	if err := v1alpha1.AddToScheme(scheme.Scheme); err != nil {
		return ctx, err
	}
	// Not the framework's own: it has one namespace at a time, for all tests.
	kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme.Scheme})
	return ctx, err
}

func get(ctx context.Context, namespace, name string, into client.Object) error {
	return kube.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, into)
}

// find lists what has labels, written as for kubectl get -l.
func find(ctx context.Context, namespace string, into client.ObjectList, selector string) error {
	wanted, err := labels.Parse(selector)
	if err != nil {
		return err
	}
	return kube.List(ctx, into, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: wanted})
}

// namespaceLabel marks the namespaces that the tests made.
const namespaceLabel = "e2e.seppen.io/test"

// clean removes what an earlier run left in a cluster that is kept. Clusters go first,
// then what installed the operator, in either of its two ways.
func clean(ctx context.Context, _ *envconf.Config) (context.Context, error) {
	for _, command := range []string{
		"kubectl delete crd seppenclusters.seppen.io --ignore-not-found --timeout=60s",
		"kubectl delete namespace -l " + namespaceLabel + " --timeout=60s",
		"helm uninstall seppen --namespace " + operatorNamespace + " --ignore-not-found --wait",
		"kubectl delete namespace " + operatorNamespace + " --ignore-not-found --timeout=60s",
		"kubectl delete clusterrole,clusterrolebinding -l app.kubernetes.io/name=seppen",
	} {
		words := strings.Fields(command)
		if r := execute(ctx, "", words[0], words[1:]...); r.err != nil {
			return ctx, r.err
		}
	}
	return ctx, nil
}

// madeBy tells by which test a namespace was made.
var madeBy sync.Map

// removeMade has the namespaces go that a test and its parts made, unless somebody will want to
// know how they were left. It waits for nothing.
func removeMade(t *testing.T) {
	t.Helper()
	if t.Failed() {
		return
	}
	madeBy.Range(func(namespace, test any) bool {
		if strings.HasPrefix(test.(string), t.Name()+"/") {
			kubectl(t, "delete", "namespace", namespace.(string), "--ignore-not-found", "--wait=false")
		}
		return true
	})
}

type clock struct{}

func startClock(ctx context.Context, _ *envconf.Config, _ *testing.T, _ features.Feature) (context.Context, error) {
	return context.WithValue(ctx, clock{}, time.Now()), nil
}

// tellTime shows whoever waits for the tests that they go on.
func tellTime(ctx context.Context, _ *envconf.Config, _ *testing.T, f features.Feature) (context.Context, error) {
	began, _ := ctx.Value(clock{}).(time.Time)
	fmt.Printf("%-34s%6d ms\n", f.Name(), time.Since(began).Milliseconds())
	return ctx, nil
}

// run runs features one after the other.
func run(t *testing.T, all ...*features.FeatureBuilder) {
	for _, f := range all {
		environment.Test(t, f.Feature())
	}
}

// runTogether runs features at the same time. What a feature made goes with it: there is one
// machine for all, and what comes later has it for itself.
func runTogether(t *testing.T, all ...*features.FeatureBuilder) {
	for _, f := range all {
		feature := f.Feature()
		t.Run(feature.Name(), func(t *testing.T) {
			t.Parallel()
			environment.Test(t, feature)
			removeMade(t)
		})
	}
}

// step is a step of a feature that needs nothing but the test: what a step leaves to the
// next one is in variables of the feature.
func step(do func(t *testing.T)) features.Func {
	return func(ctx context.Context, t *testing.T, _ *envconf.Config) context.Context {
		do(t)
		return ctx
	}
}
