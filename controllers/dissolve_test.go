package controllers

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/fakenode"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/objects"
	"github.com/eiri/seppen/controllers/roster"
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
	is(false)
	setOf(t, key.Namespace, "collected", "snow", metav1.OwnerReference{APIVersion: "seppen.io/v1alpha1", Kind: "SeppenCluster", Name: "snow", UID: "u", Controller: new(true)})
	setOf(t, key.Namespace, "another", "ice")
	is(false)
	setOf(t, key.Namespace, "kept", "snow")
	is(true)
}

// setOf makes a StatefulSet as one of a cluster.
func setOf(t *testing.T, namespace, name, cluster string, owners ...metav1.OwnerReference) {
	t.Helper()
	app := map[string]string{"app": name}
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: objects.Labels(cluster), OwnerReferences: owners},
		Spec: appsv1.StatefulSetSpec{Selector: &metav1.LabelSelector{MatchLabels: app}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}},
		}},
	}
	if err := kubetest.Get(t).Client.Create(t.Context(), set); err != nil {
		t.Fatal(err)
	}
}

// If a cluster was made anew under its name before anybody saw that it was gone, the nodes of the
// earlier one are told to end, unless they are kept.
func TestEarlierClusterEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, c *v1alpha1.SeppenCluster)
		told   bool
		fails  bool
	}{
		"made anew": {func(_ *testing.T, c *v1alpha1.SeppenCluster) {}, true, false},
		"made anew, and gone again": {func(t *testing.T, c *v1alpha1.SeppenCluster) {
			if err := kubetest.Get(t).Client.Delete(t.Context(), c.DeepCopy()); err != nil {
				t.Fatal(err)
			}
		}, true, false},
		"its nodes are kept":  {func(t *testing.T, c *v1alpha1.SeppenCluster) { setOf(t, c.Namespace, "kept", "snow") }, false, false},
		"it is the same one":  {func(_ *testing.T, c *v1alpha1.SeppenCluster) { c.UID = earlierUID }, false, false},
		"the cache is behind": {func(_ *testing.T, c *v1alpha1.SeppenCluster) { c.UID = "00000000-0000-0000-0000-000000000007" }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kube := kubetest.Get(t)
			c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace(t), Name: "snow"}}
			if err := kube.Client.Create(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			r := &Reconciler{Client: kube.Client, Live: kube.Client}
			t.Cleanup(r.Close)
			n := r.earlier(t, client.ObjectKeyFromObject(c))
			tt.change(t, c)
			if err := r.endEarlier(t.Context(), c); (err != nil) != tt.fails {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(n.Settings(), func(s peer.Settings) bool { return s.Dissolve })
			if told != tt.told {
				t.Errorf("it was told %v", n.Settings())
			}
		})
	}
}

const earlierUID = "00000000-0000-0000-0000-000000000001"

// earlier is a node of an earlier cluster, to which there is a connection.
func (r *Reconciler) earlier(t *testing.T, key types.NamespacedName) *fakenode.Node {
	t.Helper()
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := layouts.ClusterID(&v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{UID: earlierUID}})
	if err != nil {
		t.Fatal(err)
	}
	n := fakenode.Start(t, "snow-0-255", "127.0.0.1:0", "snowflake")
	address, err := netip.ParseAddrPort(n.Address)
	if err != nil {
		t.Fatal(err)
	}
	all := r.rosters.of(key, id, secret)
	all.Watch([]roster.Target{{Name: layout.Name{Base: "snow", Range: layout.Range{Lo: 0, Hi: 255}}, Pod: "earlier", IP: "127.0.0.1", Port: int32(address.Port())}})
	kubetest.Eventually(t, func() error {
		if s := all.Look()[0]; s.Status == nil {
			return fmt.Errorf("it does not answer: %w", s.Err)
		}
		return nil
	})
	return n
}
