package controllers

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/objects"
)

// What is left of a cluster that is gone is kept if nobody controls it any more.
func TestOrphanedSets(t *testing.T) {
	kube := kubetest.Get(t)
	key := types.NamespacedName{Namespace: kube.Namespace(t), Name: "snow"}
	r := &Reconciler{Client: kube.Client, Live: kube.Client}
	is := func(want bool) {
		t.Helper()
		if got, err := r.orphaned(t.Context(), key); err != nil || got != want {
			t.Errorf("%t, %v", got, err)
		}
	}
	made := func(name, cluster string, owners ...metav1.OwnerReference) {
		t.Helper()
		app := map[string]string{"app": name}
		set := &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: name, Labels: objects.Labels(cluster), OwnerReferences: owners},
			Spec: appsv1.StatefulSetSpec{Selector: &metav1.LabelSelector{MatchLabels: app}, Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}},
			}},
		}
		if err := kube.Client.Create(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	is(false)
	made("collected", "snow", metav1.OwnerReference{APIVersion: "seppen.io/v1alpha1", Kind: "SeppenCluster", Name: "snow", UID: "u", Controller: new(true)})
	made("another", "ice")
	is(false)
	made("kept", "snow")
	is(true)
}
