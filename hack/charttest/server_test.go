package charttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// api is a real API server for all tests of this package, started by the first that wants
// it. There are no controllers and no machines.
var api struct {
	once       sync.Once
	env        *envtest.Environment
	config     *rest.Config
	kubeconfig string
	err        error
}

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "charttest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	api.kubeconfig = filepath.Join(dir, "kubeconfig")
	code := m.Run()
	if api.env != nil {
		err = api.env.Stop()
	}
	if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// cluster is the kubeconfig of a user who may do everything, as an argument of kubectl and
// helm.
func cluster(t testing.TB) string {
	t.Helper()
	dir := filepath.Dir(program(t, "kube-apiserver"))
	api.once.Do(func() {
		api.env = &envtest.Environment{BinaryAssetsDirectory: dir}
		if api.config, api.err = api.env.Start(); api.err == nil {
			api.config.QPS = -1 // rights are many questions
			api.err = os.WriteFile(api.kubeconfig, api.env.KubeConfig, 0o600)
		}
	})
	if api.err != nil {
		t.Fatal(api.err)
	}
	return "--kubeconfig=" + api.kubeconfig
}

// kubectl must succeed, and not even be warned by the server.
func kubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	return must(t, stdin, "kubectl", append([]string{cluster(t), "--warnings-as-errors"}, args...)...)
}

// namespaces makes the namespaces of the sets, where pods must fit the restricted Pod
// Security Standard, and where what makes pods that do not is warned of.
func namespaces(t testing.TB) {
	t.Helper()
	const standard = "pod-security.kubernetes.io/"
	for _, name := range []string{"seppen-system", "snow", "ice"} {
		kubectl(t, fmt.Sprintf(`{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%senforce: restricted, %swarn: restricted}}}`,
			name, standard, standard), "apply", "--server-side", "--force-conflicts", "-f-")
	}
}

// definitions makes the API server know both kinds that are not its own.
func definitions(t testing.TB) {
	t.Helper()
	for _, file := range []string{root + "/config/crd/bases/seppen.io_seppenclusters.yaml", "testdata/servicemonitor.crd.yaml"} {
		kubectl(t, "", "apply", "--server-side", "-f", file)
	}
	kubectl(t, "", "wait", "--for=condition=Established", "--timeout=1m", "crd", "seppenclusters.seppen.io", "servicemonitors.monitoring.coreos.com")
}

// schemas is a folder with JSON schemas of every kind that the API server knows, as
// kubeconform wants them.
func schemas(t testing.TB) string {
	t.Helper()
	definitions(t)
	dir := t.TempDir()
	must(t, kubectl(t, "", "get", "--raw", "/openapi/v2"), "kube-schemas", dir)
	if _, err := os.Stat(filepath.Join(dir, "seppencluster-seppen-v1alpha1.json")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// manifests is all that this repository asks a Kubernetes cluster for, by where it is from.
func manifests(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{"config/default": kustomize(t, "default"), "config/samples": kustomize(t, "samples"), "config/crd": kustomize(t, "crd")}
	for set := range sets {
		all["chart, "+set] = template(t, set)
	}
	files, err := filepath.Glob(root + "/config/samples/seppen*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d samples (%v)", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all["sample "+filepath.Base(file)] = string(data)
	}
	return all
}

func TestManifestsFitTheirSchemas(t *testing.T) {
	dir := schemas(t)
	for from, text := range manifests(t) {
		t.Run(from, func(t *testing.T) {
			must(t, text, "kubeconform", "-strict", "-schema-location", dir+"/{{.ResourceKind}}{{.KindSuffix}}.json", "-")
		})
	}
}

// The API server takes everything, without a warning, into namespaces that are restricted;
// and so it does the pods that come of it.
func TestManifestsAreTaken(t *testing.T) {
	definitions(t)
	namespaces(t)
	for from, text := range manifests(t) {
		t.Run(from, func(t *testing.T) {
			take := []string{cluster(t), "--warnings-as-errors", "apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f-"}
			_, _, err := run(t, text+podManifest(t, text), "kubectl", take...)
			if lax := strings.Contains(from, "nothing"); lax && !strings.Contains(fmt.Sprint(err), "violates PodSecurity") {
				t.Errorf("without security contexts: %v; are the namespaces restricted?", err)
			} else if !lax && err != nil {
				t.Error(err)
			}
		})
	}
}

// podManifest is a pod as the manifests' Deployment makes it, if there is one.
func podManifest(t *testing.T, manifests string) string {
	t.Helper()
	for _, o := range parse(t, manifests) {
		if o.GetKind() == "Deployment" {
			data, err := json.Marshal(podOf(t, o))
			if err != nil {
				t.Fatal(err)
			}
			return "\n---\n" + string(data)
		}
	}
	return ""
}

// podOf is a pod as a Deployment makes it.
func podOf(t *testing.T, deployment *unstructured.Unstructured) *corev1.Pod {
	t.Helper()
	template := find[appsv1.Deployment](t, objects{deployment}, id(deployment)).Spec.Template
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Name, pod.Namespace = "one", deployment.GetNamespace()
	return pod
}
