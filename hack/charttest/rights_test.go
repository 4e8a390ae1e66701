package charttest

import (
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
)

// access is one question to the API server: VERB RESOURCE[.GROUP][/SUBRESOURCE] NAMESPACE.
type access string

func (a access) attributes() *authorizationv1.ResourceAttributes {
	f := strings.Fields(string(a))
	resource, subresource, _ := strings.Cut(f[1], "/")
	resource, group, _ := strings.Cut(resource, ".")
	return &authorizationv1.ResourceAttributes{Verb: f[0], Resource: resource, Group: group, Subresource: subresource, Namespace: strings.Trim(f[2], "*")}
}

// allowed asks the API server whether a user may do something.
func allowed(t *testing.T, user string, a access) bool {
	t.Helper()
	clients, err := kubernetes.NewForConfig(api.config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := clients.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{User: user, ResourceAttributes: a.attributes()},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// What the operator does in a cluster's namespace; * is all namespaces.
func operatorNeeds(namespace string) []access {
	var all []access
	for _, a := range []access{
		"list seppenclusters.seppen.io", "watch seppenclusters.seppen.io", "update seppenclusters.seppen.io/status",
		"update seppenclusters.seppen.io/finalizers", "create statefulsets.apps", "patch statefulsets.apps", "delete statefulsets.apps",
		"patch services", "patch poddisruptionbudgets.policy", "patch networkpolicies.networking.k8s.io",
		"get configmaps", "create configmaps", "update configmaps", "delete pods", "watch pods",
		"get secrets", "create secrets", "create events", "create events.events.k8s.io", "patch events.events.k8s.io",
	} {
		all = append(all, a+access(" "+namespace))
	}
	return all
}

// What it never does anywhere.
var operatorNeverNeeds = []access{
	"list secrets *", "watch secrets *", "list configmaps *", "watch configmaps *", "update secrets snow", "delete secrets snow", "create pods snow", "delete services snow",
	"delete configmaps snow", "update seppenclusters.seppen.io snow", "delete seppenclusters.seppen.io snow",
	"create seppenclusters.seppen.io snow", "create pods/exec snow", "list nodes *", "get leases.coordination.k8s.io snow",
	"create clusterroles.rbac.authorization.k8s.io *", "delete leases.coordination.k8s.io seppen-system",
}

var ownNamespace = []access{
	"get leases.coordination.k8s.io seppen-system", "create leases.coordination.k8s.io seppen-system",
	"update leases.coordination.k8s.io seppen-system", "create events seppen-system", "create events.events.k8s.io seppen-system",
}

func TestOperatorsRights(t *testing.T) {
	definitions(t)
	namespaces(t)
	// Nodes are in no namespace.
	everywhere, here := append(operatorNeeds("*"), "get nodes *"), slices.Concat(operatorNeeds("snow"), operatorNeeds("ice"))
	for name, c := range map[string]struct {
		text         string
		may, mustNot []access
	}{
		"kustomize": {kustomize(t, "default"), everywhere, nil},
		"chart":     {template(t, "default"), everywhere, nil},
		"chart, in namespaces": {
			template(t, "namespaces"), here,
			slices.Concat(everywhere, []access{"get secrets default", "create statefulsets.apps default", "get secrets seppen-system"}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			grant(t, c.text)
			rights(t, "system:serviceaccount:seppen-system:seppen-operator", slices.Concat(c.may, ownNamespace), slices.Concat(c.mustNot, operatorNeverNeeds))
		})
	}
}

// Kubernetes adds the rules of these roles to its own view, edit and admin.
func TestPeoplesRights(t *testing.T) {
	definitions(t)
	namespaces(t)
	see := []access{"get seppenclusters.seppen.io snow", "list seppenclusters.seppen.io snow", "get seppenclusters.seppen.io/status snow", "get seppenclusters.seppen.io/scale snow"}
	change := []access{"create seppenclusters.seppen.io snow", "patch seppenclusters.seppen.io snow", "delete seppenclusters.seppen.io snow", "patch seppenclusters.seppen.io/scale snow"}
	never := []access{"update seppenclusters.seppen.io/status snow", "list seppenclusters.seppen.io *", "get secrets snow"}
	for role, c := range map[string]struct{ may, mustNot []access }{
		"viewer": {see, slices.Concat(change, never)},
		"editor": {slices.Concat(see, change), never},
		"admin":  {slices.Concat(see, change), never},
	} {
		t.Run(role, func(t *testing.T) {
			grant(t, template(t, "default")+`
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: `+role+`, namespace: snow}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: seppen-operator-seppencluster-`+role+`}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: `+role+`}]
`)
			rights(t, role, c.may, c.mustNot)
		})
	}
}

// grant makes the roles and bindings among the manifests until the end of the test.
func grant(t *testing.T, manifests string) {
	t.Helper()
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List"}}
	for _, o := range parse(t, manifests) {
		if o.GroupVersionKind().Group == rbacv1.GroupName {
			list.Items = append(list.Items, *o)
		}
	}
	data, err := list.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, string(data), "apply", "--server-side", "-f-")
	t.Cleanup(func() { kubectl(t, string(data), "delete", "-f-") })
}

// rights sees what a user may do and what not. The API server learns of new roles and of
// their end in time, not at once.
func rights(t *testing.T, user string, may, mustNot []access) {
	t.Helper()
	wrong := func() []string {
		var all []string
		for _, a := range may {
			if !allowed(t, user, a) {
				all = append(all, "may not "+string(a))
			}
		}
		for _, a := range mustNot {
			if allowed(t, user, a) {
				all = append(all, "may "+string(a))
			}
		}
		return all
	}
	deadline := time.Now().Add(20 * time.Second)
	for all := wrong(); len(all) > 0; all = wrong() {
		if time.Now().After(deadline) {
			t.Fatalf("%s:\n  %s", user, strings.Join(all, "\n  "))
		}
	}
}
