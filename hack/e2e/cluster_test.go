package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/api/v1alpha1"
)

// cluster is a SeppenCluster under test.
type cluster struct{ namespace, name string }

// small is what a cluster of a test asks for where it is not the subject.
const small = `
  memoryLimit: 32Mi
  valueSizeLimit: 1Mi
  resources: {requests: {cpu: 10m}}`

// readyTime is how long a cluster may take to its first "ready".
const readyTime = time.Minute

// manifest is the resource with a spec, indented by two.
func (c cluster) manifest(spec string) string {
	return fmt.Sprintf("apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata: {name: %s}\nspec:\n%s\n", c.name, strings.Trim(spec, "\n"))
}

func (c cluster) apply(t *testing.T, spec string) string {
	t.Helper()
	return apply(t, c.namespace, c.manifest(spec))
}

// makeNamespace makes the namespace of a test, with labels such as name=value.
func makeNamespace(t *testing.T, name string, labels ...string) {
	t.Helper()
	kubectl(t, "create", "namespace", name)
	madeBy.Store(name, t.Name())
	kubectl(t, slices.Concat([]string{"label", "namespace", name, namespaceLabel + "="}, labels)...)
}

// make makes a namespace with the cluster in it, and waits until it serves.
func (c cluster) make(t *testing.T, spec string) {
	t.Helper()
	makeNamespace(t, c.namespace)
	c.apply(t, spec)
	c.isReady(t)
}

// made is the same as the setup of a feature.
func (c cluster) made(spec string) features.Func {
	return step(func(t *testing.T) { c.make(t, spec) })
}

func (c cluster) get(ctx context.Context) (*v1alpha1.SeppenCluster, error) {
	out := &v1alpha1.SeppenCluster{}
	return out, get(ctx, c.namespace, c.name, out)
}

// isReady waits as a person would.
func (c cluster) isReady(t *testing.T) {
	t.Helper()
	began := time.Now()
	r := execute(t.Context(), "", "kubectl", "wait", "--namespace", c.namespace, "--for=condition=Ready",
		"seppencluster/"+c.name, "--timeout="+readyTime.String())
	if r.err != nil {
		status := execute(t.Context(), "", "kubectl", "get", "--namespace", c.namespace, "seppencluster/"+c.name, "-o", "jsonpath={.status}")
		t.Fatalf("%s\nits status: %s", r.err, status.out)
	}
	t.Logf("%s is ready after %.1f s", c.name, time.Since(began).Seconds())
}

// says waits until a condition has a status and a reason, and its message these words.
func (c cluster) says(t *testing.T, within time.Duration, condition string, status metav1.ConditionStatus, reason string, words ...string) {
	t.Helper()
	eventually(t, within, func() error {
		got, err := c.get(t.Context())
		if err != nil {
			return err
		}
		is := meta.FindStatusCondition(got.Status.Conditions, condition)
		if is == nil {
			return fmt.Errorf("%s has no condition %s", c.name, condition)
		}
		if is.Status != status || is.Reason != reason {
			return fmt.Errorf("%s of %s is %s, %s (%s), not %s, %s", condition, c.name, is.Status, is.Reason, is.Message, status, reason)
		}
		for _, w := range words {
			if !strings.Contains(is.Message, w) {
				return fmt.Errorf("%s of %s does not say %q: %s", condition, c.name, w, is.Message)
			}
		}
		return nil
	})
}

// pods of the cluster by name, those that are being deleted too.
func (c cluster) pods(ctx context.Context) (map[string]*corev1.Pod, error) {
	list := &corev1.PodList{}
	if err := find(ctx, c.namespace, list, "app.kubernetes.io/component=node,app.kubernetes.io/instance="+c.name); err != nil {
		return nil, err
	}
	out := make(map[string]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		out[list.Items[i].Name] = &list.Items[i]
	}
	return out, nil
}

func (c cluster) podsNow(t *testing.T) map[string]*corev1.Pod {
	t.Helper()
	pods, err := c.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pods
}

// hasPods tells what is wrong with a cluster that should have exactly these pods, all ready.
func (c cluster) hasPods(ctx context.Context, names ...string) error {
	pods, err := c.pods(ctx)
	if err != nil {
		return err
	}
	if got := slices.Sorted(maps.Keys(pods)); !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		return fmt.Errorf("%s has the pods %v, not %v", c.name, got, names)
	}
	for name, p := range pods {
		if !isPodReady(p) {
			return fmt.Errorf("pod %s is not ready: %+v", name, p.Status.Conditions)
		}
	}
	return nil
}

func isPodReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// ring knows the owners of keys and values, first one first: who must live for a request.
type ring struct {
	secret *uid.Secret
	table  *layout.Table
}

// ring of a cluster of these nodes as it began.
func (c cluster) ring(t *testing.T, nodes ...string) ring {
	t.Helper()
	secret, err := uid.NewSecret(c.secret(t))
	if err != nil {
		t.Fatal(err)
	}
	names, err := layout.ParseNames(nodes)
	if err != nil {
		t.Fatal(err)
	}
	l := &layout.Layout{Cluster: layout.NewID(), Epoch: 1}
	for _, n := range names {
		l.Members = append(l.Members, layout.Member{
			Name: n, Address: n.String(), Incarnation: layout.NewID(), JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	return ring{secret, layout.NewTable(l)}
}

func (r ring) owners(slot uint8) []string {
	var out []string
	for _, m := range r.table.Owners(slot).Serving {
		out = append(out, m.Name.String())
	}
	return out
}

func (r ring) ownersOfKey(key string) []string { return r.owners(r.secret.KeySlot(key)) }
func (r ring) ownersOfValue(value string) []string {
	return r.owners(r.secret.Sum([]byte(value)).Slot())
}

// secret is the cluster's, from the Secret that the operator made.
func (c cluster) secret(t *testing.T) []byte {
	t.Helper()
	s := &corev1.Secret{}
	if err := get(t.Context(), c.namespace, c.name+"-secret", s); err != nil {
		t.Fatal(err)
	}
	if len(s.Data["secret"]) == 0 {
		t.Fatal(errors.New("the Secret has no key \"secret\""))
	}
	return s.Data["secret"]
}
