package kubectl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/eiri/seppen/api/client/verbs"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Kubernetes with clusters in it.
type world struct {
	objects []client.Object
	hooks   interceptor.Funcs
	mu      sync.Mutex
	logs    map[string]string // by pod; Kubernetes' own, with times
	asked   []corev1.PodLogOptions
	access  *access
}

// access is made when the world is as it should be.
func (w *world) open() *access {
	if w.access == nil {
		kube := fake.NewClientBuilder().WithScheme(scheme()).WithObjects(w.objects...).
			WithStatusSubresource(&v1alpha1.SeppenCluster{}).WithInterceptorFuncs(w.hooks).Build()
		w.access = &access{WithWatch: kube, namespace: "default", logs: w.log}
	}
	return w.access
}

func (w *world) log(ctx context.Context, _, pod string, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, *o)
	text, ok := w.logs[pod]
	if !ok {
		return nil, errors.New("the kubelet does not answer")
	}
	if !o.Follow {
		return io.NopCloser(strings.NewReader(text)), nil
	}
	return &endless{text: strings.NewReader(text), ctx: ctx}, nil
}

// endless is a log that is followed: after what there is it waits.
type endless struct {
	text *strings.Reader
	ctx  context.Context
}

func (e *endless) Read(b []byte) (int, error) {
	if e.text.Len() > 0 {
		return e.text.Read(b)
	}
	<-e.ctx.Done()
	return 0, e.ctx.Err()
}

func (e *endless) Close() error { return nil }

// cluster is one of a world, in which all is well.
type cluster struct {
	*v1alpha1.SeppenCluster
	layout *layout.Layout
	pods   []*corev1.Pod
}

// newCluster has so many shards and copies; its pods run on the machines m0, m1 and so on.
func newCluster(t *testing.T, namespace, name string, shards, copies int) *cluster {
	t.Helper()
	names, err := layout.Names(name, shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{SeppenCluster: &v1alpha1.SeppenCluster{}, layout: &layout.Layout{Cluster: layout.ID{1}, Epoch: 7}}
	c.Namespace, c.Name, c.Generation = namespace, name, 1
	c.Spec.Shards, c.Spec.Copies = new(int32(shards)), new(int32(copies))
	c.Status = v1alpha1.SeppenClusterStatus{Epoch: 7, ObservedGeneration: 1, Shards: int32(shards), Copies: int32(copies), Ready: fmt.Sprintf("%d/%d", len(names), len(names))}
	c.says("False", "Complete", "All is as the spec asks.", 1)
	for i, n := range names {
		uid := types.UID(fmt.Sprintf("%s/%s", namespace, n))
		m := layout.Member{Name: n, Address: "10.0.0.1:21286", Home: string(uid), Incarnation: layout.ID{2, byte(i)}, JoinEpoch: 1, Phase: layout.Serving}
		c.layout.Members = append(c.layout.Members, m)
		c.Status.Nodes = append(c.Status.Nodes, v1alpha1.NodeStatus{
			Name: n.String(), Range: n.Range.String(), Incarnation: m.Incarnation.String(), Phase: "serving", Ready: true,
			SafeToDelete: copies > 1, SafeToDeleteReason: map[bool]string{true: "each of its slots has another copy", false: n.Range.String() + " has one copy"}[copies > 1],
		})
		c.pods = append(c.pods, podOf(c.SeppenCluster, n.String(), uid, fmt.Sprint("m", i)))
	}
	c.layout.Segments = layout.SegmentsOf(c.layout.Members, 7)
	return c
}

func podOf(c *v1alpha1.SeppenCluster, name string, uid types.UID, machine string) *corev1.Pod {
	p := &corev1.Pod{}
	p.Namespace, p.Name, p.UID = c.Namespace, name, uid
	p.Labels = map[string]string{nameLabel: "seppen", componentLabel: "node", instanceLabel: c.Name}
	p.Spec.NodeName = machine
	p.Spec.Containers = []corev1.Container{{Name: container, Resources: corev1.ResourceRequirements{
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")},
	}}}
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	return p
}

func (c *cluster) says(status, reason, message string, generation int64) {
	c.Status.Conditions = []metav1.Condition{
		{Type: "Ready", Status: "True", Reason: "Serving", Message: "Every slot can be read and written.", ObservedGeneration: generation},
		{Type: "Progressing", Status: metav1.ConditionStatus(status), Reason: reason, Message: message, ObservedGeneration: generation},
	}
}

// put puts clusters into a world.
func (w *world) put(all ...*cluster) *world {
	for _, c := range all {
		w.objects = append(w.objects, c.SeppenCluster)
		for _, p := range c.pods {
			w.objects = append(w.objects, p)
		}
		if c.layout != nil {
			w.objects = append(w.objects, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name + "-layout"},
				BinaryData: map[string][]byte{"layout": c.layout.Encode()},
			})
		}
	}
	return w
}

func machines(names ...string) []client.Object {
	var out []client.Object
	for _, n := range names {
		out = append(out, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n}})
	}
	return out
}

// result is what a command did.
type result struct {
	out, errors string
	err         error
	code        int
}

func (w *world) run(t *testing.T, args ...string) result {
	t.Helper()
	return w.runIn(t.Context(), args...)
}

func (w *world) runIn(ctx context.Context, args ...string) result {
	return runPlugin(ctx, &plugin{connected: w.open()}, args...)
}

func runPlugin(ctx context.Context, p *plugin, args ...string) result {
	var out, errs bytes.Buffer
	return runInto(ctx, p, &out, &errs, args...)
}

func runInto(ctx context.Context, p *plugin, out, errs io.Writer, args ...string) result {
	p.now = func() time.Time { return time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC) }
	p.pollPods, p.retryAfter = 10*time.Millisecond, time.Millisecond
	c := newCommand(Plugin, p)
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(errs)
	err := c.ExecuteContext(ctx)
	r := result{err: err, code: verbs.ExitCode(err)}
	if b, ok := out.(*bytes.Buffer); ok {
		r.out = b.String()
	}
	if b, ok := errs.(*bytes.Buffer); ok {
		r.errors = b.String()
	}
	return r
}

// is tells what is wrong with a result: its code and words of its output or its error.
func (r result) is(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, not %d: %v\n%s", r.code, code, r.err, r.out)
	}
	for _, w := range words {
		if !strings.Contains(r.out, w) && !strings.Contains(fmt.Sprint(r.err), w) {
			t.Errorf("it does not say %q: %v\n%s", w, r.err, r.out)
		}
	}
}
