package apply_test

import (
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/objects"
)

// What the operator really wants of a cluster does not make it write for ever.
func TestObjectsOfAClusterSettle(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../objects/testdata/clusters/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range append(files, "../../config/samples/seppencluster.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c, err := v1alpha1.ReadFile(file)
			b.must(err)
			c.Namespace = b.cluster.Namespace
			b.must(b.Create(t.Context(), c))
			b.cluster = c
			names, err := c.Nodes()
			b.must(err)
			wanted := []client.Object{
				objects.Headless(c), objects.Client(c), objects.NetworkPolicy(c, ""),
				objects.DisruptionBudget(c, len(names)-objects.Evictable(objects.Copies(names))),
			}
			for _, name := range names {
				wanted = append(wanted, objects.StatefulSet(c, name, "registry.example/seppen:v1"))
			}
			for _, want := range wanted {
				b.apply(want)
				b.settled(want)
			}
		})
	}
}
