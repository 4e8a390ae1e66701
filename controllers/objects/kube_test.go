package objects

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m, kubetest.WithControllers())) }

// kube is a namespace for restricted pods, a client that writes down what it is warned
// of, and a cluster in it.
type kube struct {
	client.Client
	cluster *v1alpha1.SeppenCluster
	names   []layout.Name

	mu       sync.Mutex
	warnings []string
}

func inKube(t *testing.T, file string) *kube {
	t.Helper()
	plane := kubetest.Get(t)
	k := &kube{cluster: readCluster(t, file)}
	config := rest.CopyConfig(plane.Config)
	config.WarningHandler = k
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	k.Client, err = client.New(config, client.Options{Scheme: kubetest.Scheme(), HTTPClient: transport})
	if err != nil {
		t.Fatal(err)
	}
	k.cluster.Namespace, k.cluster.UID = plane.Namespace(t), ""
	for _, mode := range []string{"enforce", "warn", "audit"} {
		plane.MustRun(t, "", "label", "namespace", k.cluster.Namespace, "pod-security.kubernetes.io/"+mode+"=restricted")
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "store", Namespace: k.cluster.Namespace}}
	for _, o := range []client.Object{k.cluster, account} {
		if err := k.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	k.names = nodes(t, k.cluster)
	t.Cleanup(func() {
		if len(k.warnings) > 0 {
			t.Errorf("warnings: %q", k.warnings)
		}
	})
	return k
}

// HandleWarningHeader is called with each warning of the API server.
func (k *kube) HandleWarningHeader(_ int, _, text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.warnings = append(k.warnings, text)
}

// apply is a server-side apply of an object; it returns what the API server made of it.
func (k *kube) apply(t *testing.T, o runtime.Object) (*unstructured.Unstructured, error) {
	t.Helper()
	u := &unstructured.Unstructured{Object: plain(t, o)}
	return u, k.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("objects"), client.ForceOwnership)
}

func (k *kube) mustApply(t *testing.T, o runtime.Object) *unstructured.Unstructured {
	t.Helper()
	got, err := k.apply(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestKubernetesTakesThem applies all objects in a namespace that refuses what is not
// restricted. What comes back has all that was sent, so nothing will ever seem to differ,
// and the second time nothing is changed. Kubernetes' own controller makes the pods.
func TestKubernetesTakesThem(t *testing.T) {
	for name, file := range clusters {
		t.Run(name, func(t *testing.T) {
			k := inKube(t, file)
			for _, o := range all(k.cluster, k.names) {
				what := o.GetObjectKind().GroupVersionKind().Kind + " " + o.GetName()
				first := k.mustApply(t, o)
				for _, fault := range missing(plain(t, o), first.Object, what) {
					t.Error(fault)
				}
				again := k.mustApply(t, o)
				if diff := cmp.Diff(content(first), content(again)); diff != "" {
					t.Errorf("%s was changed by the second time (-first +second)\n%s", what, diff)
				}
			}
			for _, n := range k.names {
				k.checkPod(t, n)
			}
		})
	}
}

func (k *kube) checkPod(t *testing.T, n layout.Name) {
	t.Helper()
	// The controller's warnings are not ours to see, so one pod is tried by ourselves.
	try := podOf(t, k.cluster, n)
	try.Name = "try"
	if err := k.Create(t.Context(), try, client.DryRunAll); err != nil {
		t.Error(err)
	}
	var pod corev1.Pod
	kubetest.Eventually(t, func() error {
		return k.Get(t.Context(), client.ObjectKey{Namespace: k.cluster.Namespace, Name: n.String()}, &pod)
	})
	if host := fmt.Sprintf("%s.%s.%s.svc", pod.Spec.Hostname, pod.Spec.Subdomain, pod.Namespace); host != Host(k.cluster, n) {
		t.Errorf("%s is the host %s, want %s", n, host, Host(k.cluster, n))
	}
}

// missing says what is in want and not, or otherwise, in got. The API server may add fields,
// but no elements of lists.
func missing(want, got any, path string) []string {
	var out []string
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		for key, v := range want {
			out = append(out, missing(v, got[key], path+"."+key)...)
		}
	case []any:
		got, _ := got.([]any)
		if len(got) != len(want) {
			return []string{fmt.Sprintf("%s: sent %v, came back %v", path, want, got)}
		}
		for i := range want {
			out = append(out, missing(want[i], got[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
	default:
		if !cmp.Equal(want, got) {
			out = append(out, fmt.Sprintf("%s: sent %v, came back %v", path, want, got))
		}
	}
	return out
}

// content is an object without what its controller writes and without the times of it.
func content(u *unstructured.Unstructured) map[string]any {
	out := u.DeepCopy()
	out.SetManagedFields(nil)
	out.SetResourceVersion("")
	unstructured.RemoveNestedField(out.Object, "status")
	return out.Object
}

// TestServiceCanBeChanged: what the user changes or takes back is changed and taken back.
func TestServiceCanBeChanged(t *testing.T) {
	k := inKube(t, clusters["sample"])
	for _, s := range []*v1alpha1.ServiceSpec{
		nil,
		{Type: corev1.ServiceTypeNodePort, Port: 80, Annotations: map[string]string{"a": "1", "b": "2"}},
		{Type: corev1.ServiceTypeLoadBalancer, Port: 81, Annotations: map[string]string{"b": "3"}},
		{Type: corev1.ServiceTypeClusterIP, Port: 80},
		nil,
	} {
		k.cluster.Spec.Service = s
		k.mustApply(t, Client(k.cluster))
		var got corev1.Service
		if err := k.Get(t.Context(), client.ObjectKeyFromObject(k.cluster), &got); err != nil {
			t.Fatal(err)
		}
		want := v1alpha1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Port: RESTPort}
		if s != nil {
			want = *s
		}
		have := v1alpha1.ServiceSpec{Type: got.Spec.Type, Port: got.Spec.Ports[0].Port, Annotations: got.Annotations}
		if diff := cmp.Diff(want, have); diff != "" || len(got.Spec.Ports) != 1 {
			t.Errorf("%d ports (-want +got)\n%s", len(got.Spec.Ports), diff)
		}
	}
}

// TestWhatKubernetesRefuses: two mistakes that would cost all data.
func TestWhatKubernetesRefuses(t *testing.T) {
	k := inKube(t, clusters["sample"])
	n := k.names[0]
	k.mustApply(t, StatefulSet(k.cluster, n, testImage))
	n.Range.Hi--
	if _, err := k.apply(t, StatefulSet(k.cluster, n, testImage)); !apierrors.IsInvalid(err) {
		t.Errorf("a StatefulSet became that of another node: %v", err)
	}
	k.mustApply(t, Secret(k.cluster, testSecret))
	if _, err := k.apply(t, Secret(k.cluster, []byte("rain"))); !apierrors.IsInvalid(err) {
		t.Errorf("the secret was changed: %v", err)
	}
}

// TestOwner: the objects go with their cluster.
func TestOwner(t *testing.T) {
	k := inKube(t, clusters["onecopy"])
	objects := all(k.cluster, k.names)
	for _, o := range objects {
		k.mustApply(t, o)
	}
	if err := k.Delete(t.Context(), k.cluster, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	for _, o := range append(objects, k.cluster) {
		kubetest.Eventually(t, func() error {
			err := k.Get(t.Context(), client.ObjectKeyFromObject(o), o)
			if err == nil {
				return fmt.Errorf("%T %s is still there", o, o.GetName())
			}
			return client.IgnoreNotFound(err)
		})
	}
}

// TestEvictions: what a drain of a machine may do. Only pods that run are protected, so
// the test says of pods that they do.
func TestEvictions(t *testing.T) {
	const ready, not = true, false
	for name, tt := range map[string]struct {
		file    string
		ready   []bool // the pods
		evict   int    // of these
		allowed bool
	}{
		"all are ready":                                {clusters["sample"], []bool{ready, ready, ready}, 0, true},
		"another is not ready":                         {clusters["sample"], []bool{ready, not, ready}, 0, false},
		"the only one that is not ready":               {clusters["sample"], []bool{not, ready, ready}, 0, true},
		"one of two that are not, a copy may be in it": {clusters["sample"], []bool{not, not, ready}, 0, false},
		"one copy":                   {clusters["onecopy"], []bool{ready}, 0, false},
		"one copy that is not ready": {clusters["onecopy"], []bool{not}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := inKube(t, tt.file)
			for _, o := range all(k.cluster, k.names) {
				k.mustApply(t, o)
			}
			for i, n := range k.names {
				k.setReady(t, n, tt.ready[i])
			}
			k.awaitBudget(t, tt.ready)
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: k.cluster.Namespace, Name: k.names[tt.evict].String()}}
			err := k.SubResource("eviction").Create(t.Context(), pod, &policyv1.Eviction{})
			if tt.allowed && err != nil || !tt.allowed && !apierrors.IsTooManyRequests(err) {
				t.Errorf("evicted: %v (allowed: %t)", err, tt.allowed)
			}
		})
	}
}

func (k *kube) setReady(t *testing.T, n layout.Name, ready bool) {
	t.Helper()
	var pod corev1.Pod
	kubetest.Eventually(t, func() error {
		return k.Get(t.Context(), client.ObjectKey{Namespace: k.cluster.Namespace, Name: n.String()}, &pod)
	})
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
	if err := k.Status().Update(t.Context(), &pod); err != nil {
		t.Fatal(err)
	}
}

// awaitBudget waits until Kubernetes has counted the pods.
func (k *kube) awaitBudget(t *testing.T, ready []bool) {
	t.Helper()
	healthy := int32(0)
	for _, r := range ready {
		if r {
			healthy++
		}
	}
	var budget policyv1.PodDisruptionBudget
	kubetest.Eventually(t, func() error {
		if err := k.Get(t.Context(), client.ObjectKeyFromObject(k.cluster), &budget); err != nil {
			return err
		}
		if s := budget.Status; s.ObservedGeneration != budget.Generation || s.CurrentHealthy != healthy || int(s.ExpectedPods) != len(ready) {
			return fmt.Errorf("%d of %d are healthy", s.CurrentHealthy, s.ExpectedPods)
		}
		return nil
	})
}
