package objects

import (
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

const (
	testImage     = "registry.example/operator:v1"
	testNamespace = "snow"
	operatorSpace = "seppen-system"
)

var testSecret = []byte("snowflake")

// clusters are the files of the whole-object tests.
var clusters = map[string]string{
	"sample":     "../../config/samples/seppencluster.yaml",
	"everything": "testdata/clusters/everything.yaml",
	"ranges":     "testdata/clusters/ranges.yaml",
	"onecopy":    "testdata/clusters/onecopy.yaml",
}

func readCluster(t *testing.T, file string) *v1alpha1.SeppenCluster {
	t.Helper()
	c, err := v1alpha1.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	c.Namespace, c.UID = testNamespace, types.UID("0f8fad5b-d9cb-469f-a165-70867728950e")
	return c
}

// fatal is what *testing.T and *rapid.T have.
type fatal interface {
	Helper()
	Fatal(args ...any)
}

func nodes(t fatal, c *v1alpha1.SeppenCluster) []layout.Name {
	t.Helper()
	names, err := c.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// once are the objects that a cluster has one of.
func once(c *v1alpha1.SeppenCluster, names []layout.Name) []client.Object {
	return []client.Object{
		Headless(c), Client(c), Secret(c, testSecret), DisruptionBudget(c, len(names)-Evictable(Copies(names))), NetworkPolicy(c, operatorSpace),
	}
}

// all are all objects of a cluster.
func all(c *v1alpha1.SeppenCluster, names []layout.Name) []client.Object {
	out := once(c, names)
	for _, n := range names {
		out = append(out, StatefulSet(c, n, testImage))
	}
	return out
}

// plain is what of an object is sent to the API server: all but its status, which has no
// way of being absent in Go's types.
func plain(t fatal, o runtime.Object) map[string]any {
	t.Helper()
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	delete(m, "status")
	return m
}

func text(t fatal, o runtime.Object) string {
	t.Helper()
	b, err := yaml.Marshal(plain(t, o))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// podOf is the pod that a StatefulSet's template makes.
func podOf(t fatal, c *v1alpha1.SeppenCluster, n layout.Name) *corev1.Pod {
	t.Helper()
	template := StatefulSet(c, n, testImage).Spec.Template
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.APIVersion, pod.Kind, pod.Name, pod.Namespace = "v1", "Pod", n.String(), c.Namespace
	return pod
}
