package operator

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// The API server has all kinds where the operator believes them to be.
func TestKinds(t *testing.T) {
	t.Parallel()
	kube := kubetest.Get(t)
	http, err := rest.HTTPClientFor(kube.Config)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := apiutil.NewDynamicRESTMapper(kube.Config, http)
	if err != nil {
		t.Fatal(err)
	}
	known, err := kinds(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{
		&v1alpha1.SeppenCluster{}, &appsv1.StatefulSet{}, &policyv1.PodDisruptionBudget{}, &networkingv1.NetworkPolicy{},
		&corev1.Pod{}, &corev1.Service{}, &corev1.ConfigMap{}, &corev1.Secret{}, &corev1.Node{},
	} {
		gvk, err := apiutil.GVKForObject(o, scheme())
		if err != nil {
			t.Fatal(err)
		}
		want, err := asked.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil {
			t.Fatal(err)
		}
		have, err := known.RESTMapping(gvk.GroupKind(), gvk.Version)
		if err != nil || have.Resource != want.Resource || have.Scope.Name() != want.Scope.Name() {
			t.Errorf("%s: %+v, %v; the API server has %+v", gvk, have, err, want)
		}
	}
}
