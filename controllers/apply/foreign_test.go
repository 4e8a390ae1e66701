package apply_test

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/apply"
	"github.com/eiri/seppen/controllers/objects"
)

// Services of others, which are named like one of ours.
var (
	likeOurs = service
	// No field of it conflicts with one of ours.
	unlikeOurs = "{apiVersion: v1, kind: Service, metadata: {name: snow}, spec: {selector: {theirs: x}, ports: [{name: x, port: 7}]}}"
	// Each field that it has in common with ours has another value.
	conflicting = "{apiVersion: v1, kind: Service, metadata: {name: snow}, spec: {selector: {app: rain}, ports: [{name: rest, port: 80, targetPort: 9}]}}"
)

// foreigners are objects in the way of ours, and what is said of them.
func foreigners(b *bench) map[string]struct {
	object client.Object
	say    string
} {
	earlier := *b.cluster
	earlier.UID = "0f8fad5b-d9cb-469f-a165-70867728950e"
	other := *b.cluster
	other.Name, other.UID = "rain", "0f8fad5b-d9cb-469f-a165-70867728950f"
	deployment := metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: b.cluster.Name, UID: "1f8fad5b-d9cb-469f-a165-70867728950e", Controller: new(true)}
	notController := objects.Owner(b.cluster)
	notController.Controller = nil
	out := map[string]struct {
		object client.Object
		say    string
	}{}
	add := func(name, text, say string, owners ...metav1.OwnerReference) {
		o := b.object(text)
		o.SetOwnerReferences(owners)
		out[name] = struct {
			object client.Object
			say    string
		}{o, "Service snow exists and is not this cluster's: " + say}
	}
	add("nobody's, the same", likeOurs, "nothing controls it")
	add("nobody's, another", unlikeOurs, "nothing controls it")
	add("nobody's, conflicting", conflicting, "nothing controls it")
	add("ours but not controlled", likeOurs, "nothing controls it", notController)
	add("another's", likeOurs, "it is controlled by Deployment snow", deployment)
	add("another's, another", unlikeOurs, "it is controlled by Deployment snow", deployment)
	add("another cluster's", likeOurs, "it is controlled by SeppenCluster rain, which may have data in it: leave it, and give this cluster another name", objects.Owner(&other))
	add("an earlier cluster's", likeOurs, "it is left of an earlier one of the same name and will be deleted by Kubernetes", objects.Owner(&earlier))
	return out
}

func TestForeignObjectsAreNotTouched(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, tt := range foreigners(b) {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			b.must(b.Create(t.Context(), tt.object))
			defer b.remove(tt.object)
			for when, have := range map[string]client.Object{"in the cache": tt.object, "not yet in the cache": nil} {
				wrote, err := b.applier.Object(t.Context(), b.cluster, b.want(service), have)
				if wrote || !errors.Is(err, apply.ErrForeign) || err.Error() != tt.say {
					t.Errorf("%s: wrote: %v, %v\nnot: %s", when, wrote, err, tt.say)
				}
				b.untouched(tt.object)
			}
		})
	}
}

// It was ours when the cache saw it.
func TestForeignSinceTheCacheSawIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, tt := range foreigners(b) {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			old := b.applied(b.want(service))
			b.remove(old)
			b.must(b.Create(t.Context(), tt.object))
			defer b.remove(tt.object)
			want := b.want(strings.ReplaceAll(service, "port: 81", "port: 82"))
			wrote, err := b.applier.Object(t.Context(), b.cluster, want, old)
			if wrote || !errors.Is(err, apply.ErrForeign) || err.Error() != tt.say {
				t.Errorf("wrote: %v, %v\nnot: %s", wrote, err, tt.say)
			}
			b.untouched(tt.object)
		})
	}
}

// Somebody took the very object over.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.applied(b.want(service))
	now := old.DeepCopyObject().(client.Object)
	now.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "1f8fad5b-d9cb-469f-a165-70867728950e", Controller: new(true)}})
	b.must(b.Update(t.Context(), now))
	wrote, err := b.applier.Object(t.Context(), b.cluster, b.want(strings.ReplaceAll(service, "port: 81", "port: 82")), old)
	if wrote || !errors.Is(err, apply.ErrForeign) {
		t.Errorf("wrote: %v, %v", wrote, err)
	}
	b.untouched(now)
}

func TestForeignAndBeingDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := b.object(service)
	o.SetFinalizers([]string{"example.com/theirs"})
	b.must(b.Create(t.Context(), o))
	b.must(b.Delete(t.Context(), o))
	going := b.have(o)
	for _, have := range []client.Object{going, nil} {
		_, err := b.applier.Object(t.Context(), b.cluster, b.want(service), have)
		if !errors.Is(err, apply.ErrForeign) || !strings.HasSuffix(err.Error(), ": nothing controls it; it is being deleted") {
			t.Errorf("%v", err)
		}
		b.untouched(going)
	}
	b.patch(going, "metadata: {finalizers: null}")
}

// A cache that is behind leads to a conflict, and so to another look; nothing is written.
func TestCacheIsBehind(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want, next := b.want(service), b.want(strings.ReplaceAll(service, "port: 81", "port: 82"))
	old := b.applied(want)
	try := func(what string, have client.Object) {
		t.Helper()
		before := b.have(want)
		wrote, err := b.applier.Object(t.Context(), b.cluster, next, have)
		if wrote || !apierrors.IsConflict(err) || errors.Is(err, apply.ErrForeign) {
			t.Errorf("%s: wrote: %v, %v", what, wrote, err)
		}
		if before != nil {
			b.untouched(before)
		} else if b.have(want) != nil {
			t.Errorf("%s: it was made", what)
		}
	}
	b.remove(old)
	try("it shows what is gone", old)
	b.apply(want)
	try("it shows ours before this one", old)
	if wrote, err := b.applier.Object(t.Context(), b.cluster, next, b.have(want)); !wrote || err != nil {
		t.Errorf("after all: wrote: %v, %v", wrote, err)
	}
}

// What is ours and not in the cache is young, or has lost the label that the cache goes by.
func TestHidden(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.applied(b.want(service))
	next := b.want(strings.ReplaceAll(service, "port: 81", "port: 82"))
	if wrote, err := b.applier.Object(t.Context(), b.cluster, next, nil); !wrote || err != nil {
		t.Errorf("wrote: %v, %v", wrote, err)
	}
	if wrote, err := b.applier.Object(t.Context(), b.cluster, next, b.have(next)); wrote || err != nil {
		t.Errorf("once more: wrote: %v, %v", wrote, err)
	}
}

func TestForeign(t *testing.T) {
	owner := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Name: "snow", UID: "1"}}
	ref := func(group, kind, name string, uid types.UID) []metav1.OwnerReference {
		return []metav1.OwnerReference{{APIVersion: group + "/v1", Kind: kind, Name: name, UID: uid, Controller: new(true)}}
	}
	for say, refs := range map[string][]metav1.OwnerReference{
		"": ref("seppen.io", "SeppenCluster", "snow", "1"),
		"it is left of an earlier one of the same name and will be deleted by Kubernetes":                                 ref("seppen.io", "SeppenCluster", "snow", "2"),
		"it is controlled by SeppenCluster rain, which may have data in it: leave it, and give this cluster another name": ref("seppen.io", "SeppenCluster", "rain", "2"),
		"it is controlled by SeppenCluster snow":                                                                          ref("example.com", "SeppenCluster", "snow", "2"),
		"nothing controls it":                                                                                             nil,
	} {
		err := apply.Foreign(owner, &metav1.ObjectMeta{Name: "x", OwnerReferences: refs}, "Service")
		switch {
		case say == "" && err == nil:
		case !errors.Is(err, apply.ErrForeign) || err.Error() != "Service x exists and is not this cluster's: "+say:
			t.Errorf("%v\nnot: %s", err, say)
		}
	}
}
