package kubectl

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/eiri/seppen/api/v1alpha1"
)

// realAPI starts an API server that knows SeppenClusters and returns its kubeconfig, of the
// namespace default. Without the programs to run one the test is skipped.
func realAPI(t *testing.T) (kubeconfig string, kube client.WithWatch) {
	t.Helper()
	const assets = "KUBEBUILDER_ASSETS"
	if os.Getenv(assets) == "" {
		t.Skip("set " + assets + ": hack/kube/build.sh api builds what it needs")
	}
	log.SetLogger(logr.Discard())
	env := &envtest.Environment{CRDDirectoryPaths: []string{"../../../config/crd/bases"}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, env.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	kube, err = client.NewWithWatch(config, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return kubeconfig, kube
}

// All commands against a real API server: its validation, its generations, its watches. There
// is no operator, so the test says what one would.
func TestOnARealAPI(t *testing.T) {
	kubeconfig, kube := realAPI(t)
	run := func(args ...string) result {
		return runPlugin(t.Context(), &plugin{}, append(args, "--kubeconfig", kubeconfig)...)
	}
	run("status").is(t, 1, "there is no SeppenCluster in namespace default")

	made := newCluster(t, "default", "snow", 3, 2)
	made.on("m0", "m0")
	makeAll(t, kube, made)
	say := func(generation int64, status, reason string) {
		t.Helper()
		c := &v1alpha1.SeppenCluster{}
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(made.SeppenCluster), c); err != nil {
			t.Fatal(err)
		}
		if c.Generation != generation {
			t.Errorf("generation %d, not %d", c.Generation, generation)
		}
		before := c.DeepCopy()
		c.Status = v1alpha1.SeppenClusterStatus{Epoch: 7, ObservedGeneration: generation, Ready: "3/3", Nodes: statusOf(made)}
		(&cluster{SeppenCluster: c}).says(status, reason, "So it is.", generation)
		for i := range c.Status.Conditions {
			c.Status.Conditions[i].LastTransitionTime = metav1.Now()
		}
		if err := kube.Status().Patch(t.Context(), c, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	say(1, "False", "Complete")

	run("status").is(t, 0, "snow in default: 3/3 nodes ready", "So it is.", "2222")
	run("drain-check", "snow-0-169").is(t, 0)
	run("drain-check", "m0").is(t, 1, "together they hold all copies of slots 85-169")
	run("drain-check", "m0", "-A").is(t, 1)
	run("drain-check", "nowhere").is(t, 2)

	run("scale", "--copies", "9").is(t, 1, "the API server refuses it: spec.copies", "less than or equal to 8")
	run("scale", "--shards", "4", "--dry-run").is(t, 0, "4 nodes come", "4Gi")
	say(1, "False", "Complete")

	out, done := newSeen(), make(chan result)
	go func() {
		done <- runInto(t.Context(), &plugin{}, out, &bytes.Buffer{}, "scale", "--shards=4", "--wait", "--kubeconfig", kubeconfig)
	}()
	out.has(t, "The operator has not told of this change yet.")
	say(2, "True", "Scaling")
	out.has(t, "Scaling: So it is.")
	say(2, "False", "Complete")
	(<-done).is(t, 0)

	run("restart").is(t, 0, "3 nodes are replaced")
	say(3, "False", "Complete")
	takesExamples(t, kube)
	run("logs").is(t, 0) // no pod has begun: there is no kubelet
	runPlugin(t.Context(), &plugin{}, "__complete", "--kubeconfig", kubeconfig, "scale", "").is(t, 0, "snow")
}

// takesExamples: the API server takes the manifests of docs/operations.md, to the letter.
func takesExamples(t *testing.T, kube client.Client) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 3 {
		t.Fatalf("%d manifests", len(blocks))
	}
	for _, block := range blocks {
		manifest, _, _ := strings.Cut(block, "```")
		o := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(manifest), &o.Object); err != nil {
			t.Fatalf("%v:\n%s", err, manifest)
		}
		o.SetNamespace("default")
		o.SetName("example")
		if err := kube.Create(t.Context(), o, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
			t.Errorf("%v:\n%s", err, manifest)
		}
	}
}

// makeAll makes a cluster and what belongs to it.
func makeAll(t *testing.T, kube client.Client, c *cluster) {
	t.Helper()
	if err := kube.Create(t.Context(), c.SeppenCluster); err != nil {
		t.Fatal(err)
	}
	for i, p := range c.pods {
		status := p.Status
		p.Spec.Containers[0].Image = "seppen"
		p.UID = ""
		if err := kube.Create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		p.Status = status
		p.Status.ContainerStatuses = nil
		if err := kube.Status().Update(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		c.layout.Members[i].Home = string(p.UID)
	}
	w := (&world{}).put(c)
	if err := kube.Create(t.Context(), w.objects[len(w.objects)-1]); err != nil {
		t.Fatal(errors.Join(errors.New("the layout"), err))
	}
}

// statusOf are the nodes that a cluster of these members has.
func statusOf(c *cluster) []v1alpha1.NodeStatus {
	var out []v1alpha1.NodeStatus
	for i := range c.layout.Members {
		m := &c.layout.Members[i]
		out = append(out, v1alpha1.NodeStatus{
			Name: m.Name.String(), Range: m.Name.Range.String(), Incarnation: m.Incarnation.String(), Phase: "serving", Ready: true, SafeToDelete: true,
		})
	}
	return out
}
