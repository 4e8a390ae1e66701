package operator

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/fakekubelet"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

var ring = []string{"snow-0-169", "snow-85-255", "snow-170-84"}

func TestStart(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.create("snow", nil)
	c := s.serving("snow")

	if got := s.pods(); !reflect.DeepEqual(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(ring))) {
		t.Errorf("pods %v", got)
	}
	l := s.layout("snow")
	if l.Epoch != 1 || len(l.Members) != 3 {
		t.Errorf("layout %+v", l)
	}
	for i, name := range ring {
		n := s.kubelet.Node(name)
		if given := n.Given(); len(given) == 0 || n.Layout().Hash() != l.Hash() {
			t.Errorf("%s was given %v", name, given)
		}
		st := c.Status.Nodes[i]
		if st.Name != name || st.Phase != "serving" || !st.Ready || st.Host != name+".snow-nodes."+s.namespace+".svc" {
			t.Errorf("status %+v", st)
		}
	}
	if c.Status.Epoch != 1 || c.Status.Ready != "3/3" || c.Status.Shards != 3 || c.Status.Copies != 2 || c.Status.SecretName != "snow-secret" {
		t.Errorf("status %+v", c.Status)
	}
	s.says("snow", "Progressing", metav1.ConditionFalse, "Complete")
	s.says("snow", "Degraded", metav1.ConditionFalse, "AllCopies")

	// Once more: nothing is written, and only the layout and the secret are read.
	s.quiet(o)
	s.reconcile(o, "snow")
	if reads, writes, which := o.reset(); writes != 0 || reads > 2 {
		t.Errorf("a reconcile of no change took %d reads and %d writes %v", reads, writes, which)
	}
}

// Each key counts once, although two nodes hold it.
func TestFigures(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.create("snow", nil)
	s.serving("snow")
	for _, name := range ring {
		s.kubelet.Node(name).Say(func(st *peer.Status) {
			st.Keys, st.MemoryUsed = 20, 1<<20
			for i := range st.Segments {
				st.Segments[i].Keys, st.Segments[i].Bytes = 10, 1<<30
			}
		})
	}
	kubetest.Eventually(t, func() error {
		if c := s.cluster("snow"); c.Status.Keys != 30 || c.Status.Bytes != 3<<30 || c.Status.Nodes[1].Keys != 20 {
			return fmt.Errorf("%d keys, %d bytes", c.Status.Keys, c.Status.Bytes)
		}
		return nil
	})
}

func TestWrongImage(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = fakekubelet.BadImage })
	found := s.says("snow", "Progressing", metav1.ConditionFalse, "ImagePull")
	if !strings.Contains(found.Message, fakekubelet.BadImage) {
		t.Errorf("it does not name the image: %s", found.Message)
	}
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = "seppen:good" })
	s.serving("snow")
}

func TestSecrets(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) {
		spec.SecretRef = &v1alpha1.SecretReference{Name: "mine"}
	})
	found := s.says("snow", "Progressing", metav1.ConditionFalse, "SecretNotFound")
	if !strings.Contains(found.Message, "mine") {
		t.Errorf("it does not name the secret: %s", found.Message)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "mine"}, StringData: map[string]string{"other": "x"}}
	if err := s.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "SecretInvalid")
	s.setSecret("mine", "one")
	s.reconcile(o, "snow")
	s.serving("snow")

	s.setSecret("mine", "two")
	s.reconcile(o, "snow")
	found = s.says("snow", "Progressing", metav1.ConditionFalse, "SecretChanged")
	if strings.Contains(found.Message, "two") || strings.Contains(found.Message, "one\"") {
		t.Errorf("it tells the secret: %s", found.Message)
	}
	s.serving("snow") // what is connected stays so
	s.setSecret("mine", "one\n")
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "Complete")

	// The user's Secret is the user's.
	if err := s.Client.Delete(t.Context(), s.cluster("snow")); err != nil {
		t.Fatal(err)
	}
	s.gone("mine")
	if err := s.Client.Get(t.Context(), s.key("mine"), secret); err != nil || len(secret.OwnerReferences) > 0 {
		t.Errorf("%v, owners %v", err, secret.OwnerReferences)
	}
}

func (s *site) setSecret(name, value string) {
	s.t.Helper()
	secret := &corev1.Secret{}
	if err := s.Client.Get(s.t.Context(), s.key(name), secret); err != nil {
		s.t.Fatal(err)
	}
	secret.Data = map[string][]byte{"secret": []byte(value)}
	if err := s.Client.Update(s.t.Context(), secret); err != nil {
		s.t.Fatal(err)
	}
}

// gone waits until nothing of the cluster is left, but a Secret that may stay.
func (s *site) gone(but string) {
	s.t.Helper()
	kubetest.Eventually(s.t, func() error {
		for _, list := range []client.ObjectList{
			&appsv1.StatefulSetList{}, &corev1.PodList{}, &corev1.ServiceList{}, &corev1.SecretList{},
			&policyv1.PodDisruptionBudgetList{}, &networkingv1.NetworkPolicyList{}, &corev1.ConfigMapList{},
		} {
			if err := s.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
				return err
			}
			items := reflect.ValueOf(list).Elem().FieldByName("Items")
			for i := range items.Len() {
				o := items.Index(i).Addr().Interface().(client.Object)
				if o.GetName() != but && o.GetName() != "kube-root-ca.crt" {
					return fmt.Errorf("%T %s is left", o, o.GetName())
				}
			}
		}
		return nil
	})
}

// A process that started while the Secret was another one is started anew when it is the
// right one again: it can be no member.
func TestStartedWithAnotherSecret(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "mine"}, Data: map[string][]byte{"secret": []byte("right")}}
	if err := s.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.SecretRef = &v1alpha1.SecretReference{Name: "mine"} })
	s.serving("snow")
	secret.Data["secret"] = []byte("another")
	if err := s.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "SecretChanged")
	before := s.kubelet.Node(ring[1]).Incarnation()
	s.kubelet.Crash(ring[1])
	kubetest.Eventually(t, func() error {
		if st := s.cluster("snow").Status.Nodes[1]; !strings.Contains(st.Message, "its secret is not the cluster's") {
			return fmt.Errorf("it says %q", st.Message)
		}
		return nil
	})
	s.reconcile(o, "snow")
	if p := s.pods(); len(p) != 3 {
		t.Errorf("a pod was deleted for a wrong secret: %v", p)
	}
	secret.Data["secret"] = []byte("right")
	if err := s.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.without(before)
	s.recovers("snow", 2)
}

// A secret that the operator made is never written again, and missed if it is gone.
func TestMadeSecret(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.create("snow", nil)
	s.serving("snow")
	secret := &corev1.Secret{}
	if err := s.Client.Get(t.Context(), s.key("snow-secret"), secret); err != nil {
		t.Fatal(err)
	}
	if len(secret.Data["secret"]) < 32 {
		t.Errorf("a secret of %d bytes", len(secret.Data["secret"]))
	}
	kept := secret.Data
	if err := s.Client.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "SecretNotFound")
	if err := s.Client.Get(t.Context(), s.key("snow-secret"), secret); !apierrors.IsNotFound(err) {
		t.Errorf("another secret was made: %v", err)
	}
	s.serving("snow")
	// Whoever restores it, it is the right one.
	restored := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "snow-secret"}, Data: kept}
	if err := s.Client.Create(t.Context(), restored); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "Complete")
}

// What stands in the way under a name that is needed is left alone, and said.
func TestForeignObjects(t *testing.T) {
	for _, foreign := range []client.Object{
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "snow"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "snow-secret"}, StringData: map[string]string{"secret": "theirs"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "snow-layout"}},
		&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "snow-85"}, Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "x"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}},
			},
		}},
	} {
		t.Run(fmt.Sprintf("%T", foreign), func(t *testing.T) {
			s := newSite(t)
			foreign.SetNamespace(s.namespace)
			if err := s.Client.Create(t.Context(), foreign); err != nil {
				t.Fatal(err)
			}
			o := s.operate()
			s.create("snow", nil)
			found := s.says("snow", "Progressing", metav1.ConditionFalse, "NameConflict")
			if !strings.Contains(found.Message, foreign.GetName()) {
				t.Errorf("it does not name the object: %s", found.Message)
			}
			s.reconcile(o, "snow")
			is := foreign.DeepCopyObject().(client.Object)
			if err := s.Client.Get(t.Context(), client.ObjectKeyFromObject(foreign), is); err != nil {
				t.Fatal(err)
			}
			if len(is.GetOwnerReferences()) > 0 || len(is.GetLabels()) > 0 || is.GetUID() != foreign.GetUID() || !is.GetDeletionTimestamp().IsZero() {
				t.Errorf("it was touched: %+v", is)
			}
			if err := s.Client.Delete(t.Context(), is); err != nil {
				t.Fatal(err)
			}
			s.reconcile(o, "snow")
			s.serving("snow")
		})
	}
}

// Before there is a layout the shape may change at will.
func TestShape(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.kubelet.Hold("snow-128-127", true)
	s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Shards = new(int32(2)) })
	s.says("snow", "Progressing", metav1.ConditionTrue, "Creating")
	kubetest.Eventually(t, func() error {
		if n := s.kubelet.Node("snow-0-255"); n == nil {
			return fmt.Errorf("pods %v", s.pods())
		}
		return nil
	})
	s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Shards = new(int32(3)) })
	s.serving("snow")
	if got, want := s.sets(), []string{"snow-0", "snow-170", "snow-85"}; !reflect.DeepEqual(got, want) {
		t.Errorf("sets %v, want %v", got, want)
	}
}

func TestInvalidSpecs(t *testing.T) {
	s := newSite(t)
	s.operate()
	for name, ranges := range map[string][]string{"gap": {"a-0-99", "b-110-255"}, "twice": {"a-0-255", "a-0-9"}} {
		s.create(name, func(spec *v1alpha1.SeppenClusterSpec) { spec.Ranges = ranges })
		found := s.says(name, "Progressing", metav1.ConditionFalse, "InvalidSpec")
		if name == "gap" && !strings.Contains(found.Message, "100-109") {
			t.Errorf("it does not name the slots: %s", found.Message)
		}
	}
	if sets := s.sets(); len(sets) > 0 {
		t.Errorf("sets %v", sets)
	}
	s.edit("gap", func(spec *v1alpha1.SeppenClusterSpec) { spec.Ranges = []string{"a-0-99", "b-100-255"} })
	if c := s.serving("gap"); c.Status.Copies != 1 || c.Status.Shards != 2 {
		t.Errorf("%+v", c.Status)
	}
}

// A layout that is lost or set back is not made up for: that would take the nodes for empty.
func TestLostLayout(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.create("snow", nil)
	s.serving("snow")
	cm := &corev1.ConfigMap{}
	if err := s.Client.Get(t.Context(), s.key("snow-layout"), cm); err != nil {
		t.Fatal(err)
	}
	kept := cm.DeepCopy()
	before := s.kubelet.Node(ring[0]).Incarnation()
	s.kubelet.Crash(ring[0])
	s.without(before)
	s.recovers("snow", 2)
	s.quiet(o)
	epoch := s.layout("snow").Epoch
	if err := s.Client.Get(t.Context(), s.key("snow-layout"), cm); err != nil {
		t.Fatal(err)
	}
	cm.BinaryData, cm.Data = kept.BinaryData, kept.Data
	if err := s.Client.Update(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "LayoutConflict")
	if err := s.Client.Delete(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	s.says("snow", "Progressing", metav1.ConditionFalse, "LayoutLost")
	if l := s.layout("snow"); l != nil {
		t.Errorf("a layout was made up: %+v", l)
	}
	if got := s.sets(); len(got) != 3 {
		t.Errorf("sets %v", got)
	}
	if given := s.kubelet.Node(ring[1]).Given(); slices.Max(given) != epoch {
		t.Errorf("a node was given %v", given)
	}
}

// Another layout of an epoch that the nodes have is not gone on with.
func TestEditedLayout(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.create("snow", nil)
	s.serving("snow")
	s.quiet(o)
	cm := &corev1.ConfigMap{}
	if err := s.Client.Get(t.Context(), s.key("snow-layout"), cm); err != nil {
		t.Fatal(err)
	}
	l := s.layout("snow")
	l.Members[0].Address = "10.9.8.7:21286"
	cm.BinaryData["layout"] = l.Encode()
	if err := s.Client.Update(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	s.reconcile(o, "snow")
	found := s.says("snow", "Progressing", metav1.ConditionFalse, "LayoutConflict")
	if !strings.Contains(found.Message, "another layout 1") {
		t.Errorf("it says %s", found.Message)
	}
	s.kubelet.Crash(ring[1])
	s.quiet(o)
	if now := s.layout("snow"); now.Epoch != 1 {
		t.Errorf("layout %d follows it", now.Epoch)
	}
}

// Whatever else is wrong at the same time, without its layout nothing of a cluster that
// has started is touched.
func TestLostLayoutAndMore(t *testing.T) {
	for what, more := range map[string]func(*site){
		"another template": func(s *site) {
			s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = fakekubelet.BadImage })
			s.says("snow", "Progressing", metav1.ConditionFalse, "ImagePull")
		},
		"another shape": func(s *site) {
			s.kubelet.Slow(true)
			s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Shards = new(int32(6)) })
			s.says("snow", "Progressing", metav1.ConditionTrue, "Scaling")
		},
		"no secret": func(s *site) {
			if err := s.Client.Delete(s.t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "snow-secret"}}); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSite(t)
			o := s.operate()
			s.create("snow", nil)
			s.serving("snow")
			members := s.layout("snow").Members
			more(s)
			s.quiet(o)
			sets, epoch := s.sets(), s.layout("snow").Epoch
			if err := s.Client.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "snow-layout"}}); err != nil {
				t.Fatal(err)
			}
			s.reconcile(o, "snow")
			s.says("snow", "Progressing", metav1.ConditionFalse, "LayoutLost")
			o.stop()
			o = s.operate() // one that knows no node yet
			s.says("snow", "Progressing", metav1.ConditionFalse, "LayoutLost")
			s.edit("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.Shards = new(int32(4)) })
			s.says("snow", "Progressing", metav1.ConditionFalse, "LayoutLost")
			s.quiet(o)
			if got := s.sets(); !reflect.DeepEqual(got, sets) {
				t.Errorf("sets %v, want %v", got, sets)
			}
			for i, name := range ring {
				if n := s.kubelet.Node(name); n == nil || n.Incarnation() != members[i].Incarnation || slices.Max(n.Given()) != epoch {
					t.Errorf("%s was restarted or given another layout", name)
				}
			}
			if err := s.Client.Get(t.Context(), s.key("snow-layout"), &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
				t.Errorf("a layout was made up: %v", err)
			}
		})
	}
}

// What others changed is put back, what they added stays.
func TestDrift(t *testing.T) {
	s := newSite(t)
	o := s.operate()
	s.create("snow", nil)
	s.serving("snow")
	svc := &corev1.Service{}
	if err := s.Client.Get(t.Context(), s.key("snow"), svc); err != nil {
		t.Fatal(err)
	}
	svc.Spec.Selector = map[string]string{"app": "theirs"}
	svc.Annotations["their"] = "note"
	if err := s.Client.Update(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, func() error {
		if err := s.Client.Get(t.Context(), s.key("snow"), svc); err != nil || svc.Spec.Selector["app.kubernetes.io/instance"] != "snow" {
			return fmt.Errorf("%w, selector %v", err, svc.Spec.Selector)
		}
		return nil
	})
	if svc.Annotations["their"] != "note" {
		t.Error("their note is gone")
	}
	if err := s.Client.Delete(t.Context(), svc); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, func() error { return s.Client.Get(t.Context(), s.key("snow"), svc) })

	// By this label the operator finds what is its own.
	set := &appsv1.StatefulSet{}
	if err := s.Client.Get(t.Context(), s.key("snow-85"), set); err != nil {
		t.Fatal(err)
	}
	const label = "app.kubernetes.io/managed-by"
	was := set.Labels[label]
	set.Labels[label] = "somebody-else"
	if err := s.Client.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, func() error {
		if err := s.Client.Get(t.Context(), s.key("snow-85"), set); err != nil || set.Labels[label] != was {
			return fmt.Errorf("%w, labels %v", err, set.Labels)
		}
		return nil
	})
	s.serving("snow")
	s.quiet(o)
}

// The operator may be killed between any two writes, or in the middle of one, and the
// next one brings the cluster about.
func TestKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	for name, lose := range map[string]bool{"with answers": false, "without answers": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killedAnywhere(t, lose)
		})
	}
}

func killedAnywhere(t *testing.T, lose bool) {
	t.Helper()
	finished := false
	for n := 1; !finished; n++ {
		t.Run(fmt.Sprintf("write %d", n), func(t *testing.T) {
			s := newSite(t)
			killed := s.operate(func(tr *traffic) { tr.most, tr.lose = n, lose })
			s.create("snow", func(spec *v1alpha1.SeppenClusterSpec) { spec.MemoryLimit = new(resource.MustParse("64Mi")) })
			kubetest.Eventually(t, func() error {
				killed.mu.Lock()
				defer killed.mu.Unlock()
				finished = killed.writes < n && s.cluster("snow").Status.Ready == "3/3"
				if killed.writes < n && !finished {
					return fmt.Errorf("%d writes of %d", killed.writes, n)
				}
				return nil
			})
			killed.stop()
			secret := &corev1.Secret{}
			had := s.Client.Get(t.Context(), s.key("snow-secret"), secret) == nil
			made := secret.DeepCopy()
			s.operate()
			s.serving("snow")
			if err := s.Client.Get(t.Context(), s.key("snow-secret"), secret); err != nil || had && secret.ResourceVersion != made.ResourceVersion {
				t.Errorf("the secret was written again: %v", err)
			}
			l := s.layout("snow")
			if l.Epoch != 1 {
				t.Errorf("epoch %d", l.Epoch)
			}
			for _, node := range ring {
				n := s.kubelet.Node(node)
				if slices.Max(n.Given()) != 1 || n.Layout().Hash() != l.Hash() {
					t.Errorf("%s was given %v", node, n.Given())
				}
			}
			if sets := s.sets(); len(sets) != 3 {
				t.Errorf("sets %v", sets)
			}
		})
		if t.Failed() || n > 40 {
			break
		}
	}
}

// Two operators at a time, as when a lease is lost unnoticed: still one layout each epoch.
func TestTwoOperators(t *testing.T) {
	s := newSite(t)
	s.operate()
	s.operate()
	s.create("snow", nil)
	s.serving("snow")
	for _, name := range ring {
		before := s.kubelet.Node(name).Incarnation()
		s.kubelet.Crash(name)
		s.without(before)
		s.recovers("snow", 2)
	}
	s.agreed()
}

func TestDeleted(t *testing.T) {
	s := newSite(t)
	s.operate()
	c := s.create("snow", nil)
	s.serving("snow")
	if err := s.Client.Delete(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	s.gone("")
	// The same name again is another cluster, with nothing of the old one.
	s.create("snow", nil)
	s.serving("snow")
	if l := s.layout("snow"); l.Epoch != 1 {
		t.Errorf("epoch %d", l.Epoch)
	}
}
