package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func encoded(t *testing.T, want client.Object) *unstructured.Unstructured {
	t.Helper()
	u, err := Applier{Client: fake.NewClientBuilder().Build()}.encode(want)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestWhatIsSent(t *testing.T) {
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: metav1.Now(), Annotations: map[string]string{"x": "y"}},
		Status:     appsv1.StatefulSetStatus{Replicas: 1},
	}
	got := encoded(t, set)
	want := map[string]any{
		"apiVersion": "apps/v1", "kind": "StatefulSet",
		"metadata": map[string]any{"name": "a", "annotations": map[string]any{"x": "y", Applied: got.GetAnnotations()[Applied]}},
		"spec": map[string]any{
			"replicas": nil, "selector": nil, "serviceName": "", "updateStrategy": map[string]any{},
			"template": map[string]any{"metadata": map[string]any{}, "spec": map[string]any{}},
		},
	}
	if diff := cmp.Diff(withoutNulls(want), any(got.Object)); diff != "" {
		t.Error(diff)
	}
	if len(set.Annotations) != 1 {
		t.Errorf("the wanted object was given %v", set.Annotations)
	}
}

// The hash tells wanted objects apart, and nothing else.
func TestHash(t *testing.T) {
	hash := func(memory string, change func(*corev1.Pod)) string {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"a": "1", "b": "2", "c": "3"}}}
		p.Spec.Overhead = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourceCPU: resource.MustParse("1")}
		change(p)
		return encoded(t, p).GetAnnotations()[Applied]
	}
	first := hash("1Gi", func(*corev1.Pod) {})
	for range 20 { // maps come in any order
		if again := hash("1024Mi", func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }); again != first {
			t.Fatalf("%s and %s", first, again)
		}
	}
	for name, other := range map[string]string{
		"amount": hash("1G", func(*corev1.Pod) {}),
		"label":  hash("1Gi", func(p *corev1.Pod) { delete(p.Labels, "c") }),
		"field":  hash("1Gi", func(p *corev1.Pod) { p.Spec.HostNetwork = true }),
	} {
		if other == first || len(other) != 24 {
			t.Errorf("another %s: %s", name, other)
		}
	}
}
