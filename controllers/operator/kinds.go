package operator

import (
	"net/http"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/eiri/seppen/api/v1alpha1"
)

// kinds are all that the operator reads and writes, and where the API server has them. It could be
// asked, but then an operator could not start while it does not answer.
func kinds(*rest.Config, *http.Client) (meta.RESTMapper, error) {
	m := meta.NewDefaultRESTMapper(nil)
	add := func(group schema.GroupVersion, scope meta.RESTScope, kinds ...string) {
		for _, kind := range kinds {
			// A cache of some namespaces asks whether lists are in them.
			many, one := meta.UnsafeGuessKindToResource(group.WithKind(kind))
			m.AddSpecific(group.WithKind(kind+"List"), many, one, scope)
			m.AddSpecific(group.WithKind(kind), many, one, scope)
		}
	}
	add(v1alpha1.GroupVersion, meta.RESTScopeNamespace, v1alpha1.Kind)
	add(appsv1.SchemeGroupVersion, meta.RESTScopeNamespace, "StatefulSet")
	add(policyv1.SchemeGroupVersion, meta.RESTScopeNamespace, "PodDisruptionBudget")
	add(networkingv1.SchemeGroupVersion, meta.RESTScopeNamespace, "NetworkPolicy")
	add(corev1.SchemeGroupVersion, meta.RESTScopeNamespace, "Pod", "Service", "ConfigMap", "Secret")
	add(corev1.SchemeGroupVersion, meta.RESTScopeRoot, "Node")
	return m, nil
}
