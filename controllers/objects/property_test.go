package objects

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
)

func TestNamesFitDNS(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		names := nodes(t, c)
		seen := map[string]bool{}
		for _, o := range all(c, names) {
			kind := o.GetObjectKind().GroupVersionKind().Kind
			if seen[kind+" "+o.GetName()] {
				t.Errorf("two objects are the %s %s", kind, o.GetName())
			}
			seen[kind+" "+o.GetName()] = true
			check := validation.IsDNS1123Subdomain
			if kind == "Service" {
				check = validation.IsDNS1035Label
			}
			wellFormed(t, kind+" "+o.GetName(), check(o.GetName()))
			for _, value := range o.GetLabels() {
				wellFormed(t, "label of "+o.GetName(), validation.IsValidLabelValue(value))
			}
		}
		for _, n := range names {
			wellFormed(t, "pod "+n.String(), validation.IsDNS1123Label(n.String()))
			wellFormed(t, "host of "+n.String(), validation.IsDNS1123Subdomain(Host(c, n)))
			// A pod's label names its StatefulSet's revision: the set's name, a dash and a hash.
			wellFormed(t, "revision", validation.IsValidLabelValue(v1alpha1.StatefulSetName(n)+"-7c56fd6b74"))
		}
	})
}

func wellFormed(t *rapid.T, what string, faults []string) {
	for _, f := range faults {
		t.Errorf("%s: %s", what, f)
	}
}

func TestSelectors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		names := nodes(t, c)
		policy := NetworkPolicy(c, operatorSpace)
		whole := []map[string]string{
			Headless(c).Spec.Selector, Client(c).Spec.Selector,
			DisruptionBudget(c, 3).Spec.Selector.MatchLabels, policy.Spec.PodSelector.MatchLabels,
			policy.Spec.Ingress[0].From[0].PodSelector.MatchLabels,
		}
		neighbour := c.DeepCopy()
		neighbour.Name = "n" + c.Name[1:] + "x"
		for i, n := range names {
			labels := StatefulSet(c, n, testImage).Spec.Template.Labels
			for _, selector := range whole {
				if others := podOf(t, neighbour, n).Labels; selects(selector, others) {
					t.Errorf("%v selects another cluster's pod with %v", selector, others)
				}
			}
			for _, selector := range whole {
				if !selects(selector, labels) {
					t.Errorf("%v does not select %s with %v", selector, n, labels)
				}
			}
			for j, other := range names {
				if selector := StatefulSet(c, other, testImage).Spec.Selector.MatchLabels; selects(selector, labels) != (i == j) {
					t.Errorf("the selector of %s, %v, and the labels of %s, %v", other, selector, n, labels)
				}
			}
		}
	})
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

func TestLabels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		names := nodes(t, c)
		for _, o := range all(c, names) {
			if !selects(Labels(c.Name), o.GetLabels()) {
				t.Errorf("%s %s has the labels %v", o.GetObjectKind().GroupVersionKind().Kind, o.GetName(), o.GetLabels())
			}
		}
		user := v1alpha1.PodMetadata{}
		if p := c.Spec.PodTemplate; p != nil && p.Metadata != nil {
			user = *p.Metadata
		}
		pod := podOf(t, c, names[0])
		want := maps.Clone(user.Labels)
		if want == nil {
			want = map[string]string{}
		}
		want[nameLabel], want[instanceLabel], want[componentLabel], want[managerLabel] = "seppen", c.Name, "node", "seppen-operator"
		want["seppen.io/node"], want["seppen.io/revision"] = pod.Name, Revision(c, testImage)
		if diff := cmp.Diff(want, pod.Labels); diff != "" {
			t.Errorf("labels (-want +got)\n%s", diff)
		}
		notes := maps.Clone(user.Annotations)
		if notes == nil {
			notes = map[string]string{}
		}
		notes["kubectl.kubernetes.io/default-container"] = "seppen"
		if diff := cmp.Diff(notes, pod.Annotations); diff != "" {
			t.Errorf("annotations (-want +got)\n%s", diff)
		}
	})
}

// TestMemory: the node in the container starts (it refuses less than 32 MiB beside what it
// stores), and the API server takes the figures.
func TestMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		r := podOf(t, c, nodes(t, c)[0]).Spec.Containers[0].Resources
		if store := c.Spec.MemoryLimit; store != nil && r.Limits.Memory().Value() < store.Value()+32<<20 {
			t.Errorf("limited to %s, of which %s is for values", r.Limits.Memory(), store)
		}
		for _, what := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceCPU} {
			limit, limited := r.Limits[what]
			request, requested := r.Requests[what]
			if limited && request.Cmp(limit) > 0 || !requested {
				t.Errorf("%s: request %s, limit %s", what, request.String(), limit.String())
			}
		}
	})
}

// TestPure: the same cluster gives the same bytes, it is not changed by it, and what was
// built is not changed by what is done to the cluster later, nor by what is done to other
// objects.
func TestPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCluster(t)
		names := nodes(t, c)
		before := marshal(t, c)
		objects := all(c, names)
		built := marshalAll(t, objects)
		if diff := cmp.Diff(before, marshal(t, c)); diff != "" {
			t.Errorf("the cluster was changed (-before +after)\n%s", diff)
		}
		if diff := cmp.Diff(built, marshalAll(t, all(c, names))); diff != "" {
			t.Errorf("built again they are others (-once +again)\n%s", diff)
		}
		changed := c.DeepCopy()
		*c, *changed = *changed, *c // changed has the memory that the builders saw
		scribble(reflect.ValueOf(changed))
		if diff := cmp.Diff(built, marshalAll(t, objects)); diff != "" {
			t.Errorf("they share memory with the cluster (-before +after a change of it)\n%s", diff)
		}
		for i, o := range objects {
			scribble(reflect.ValueOf(o))
			rest := marshalAll(t, objects[i+1:])
			if diff := cmp.Diff(built[i+1:], rest); diff != "" {
				t.Errorf("they share memory with each other (-before +after)\n%s", diff)
			}
		}
		if diff := cmp.Diff(built, marshalAll(t, all(c, names))); diff != "" {
			t.Errorf("they share memory with the package (-before +after)\n%s", diff)
		}
	})
}

func marshal(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func marshalAll(t *rapid.T, objects []client.Object) []string {
	out := []string{}
	for _, o := range objects {
		out = append(out, marshal(t, o))
	}
	return out
}

// scribble writes over all that a value leads to, where it lies.
func scribble(v reflect.Value) {
	if v.CanAddr() && v.CanSet() {
		if q, ok := v.Addr().Interface().(*resource.Quantity); ok {
			q.Set(-1)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scribble(v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			scribble(field)
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribble(v.Index(i))
		}
	case reflect.Map:
		for _, key := range slices.Clone(v.MapKeys()) {
			if b := v.MapIndex(key); b.Kind() == reflect.Slice {
				scribble(b)
			}
			v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
		}
	default:
		if v.CanSet() {
			v.Set(reflect.Zero(v.Type()))
		}
	}
}
