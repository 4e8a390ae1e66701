package kubetest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
)

func TestMain(m *testing.M) { os.Exit(Main(m, WithControllers())) }

// One walk through all that other tests rely on: our kind, kubectl, pods made from a
// StatefulSet, and what goes with its owner.
func TestControlPlane(t *testing.T) {
	t.Parallel()
	kube := Get(t)
	namespace := kube.Namespace(t)
	ctx := t.Context()

	owner := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "c"}}
	if err := kube.Client.Create(ctx, owner); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"a": "b"}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "c-0",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind(v1alpha1.Kind))},
		},
		Spec: appsv1.StatefulSetSpec{
			Ordinals: &appsv1.StatefulSetOrdinals{Start: 255},
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "node", Image: "none"}}},
			},
		},
	}
	if err := kube.Client.Create(ctx, set); err != nil {
		t.Fatal(err)
	}
	pod := types.NamespacedName{Namespace: namespace, Name: "c-0-255"}
	Eventually(t, func() error { return kube.Client.Get(ctx, pod, &corev1.Pod{}) })
	if out := kube.MustRun(t, "", "-n", namespace, "get", "pods", "-o", "name"); out != "pod/c-0-255\n" {
		t.Errorf("kubectl get pods: %s", out)
	}
	if err := kube.Client.Delete(ctx, owner); err != nil {
		t.Fatal(err)
	}
	Eventually(t, func() error {
		err := kube.Client.Get(ctx, client.ObjectKeyFromObject(set), set)
		if err == nil {
			return fmt.Errorf("%s is still there", set.Name)
		}
		return client.IgnoreNotFound(err)
	})
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	kube := Get(t)
	a, b := kube.Namespace(t), kube.Namespace(t)
	if a == b || !strings.HasPrefix(a, "testnamespaces-") {
		t.Errorf("%s and %s", a, b)
	}
	t.Run("A very long name of a test, with more than sixty-three characters in all", func(t *testing.T) {
		kube.Namespace(t)
	})
}

func TestKubectlSaysWhy(t *testing.T) {
	t.Parallel()
	_, err := Get(t).Run(t, "", "get", "nonsense")
	if err == nil || !strings.Contains(err.Error(), `doesn't have a resource type "nonsense"`) {
		t.Errorf("%v", err)
	}
}
