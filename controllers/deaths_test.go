package controllers

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/layouts"
	"github.com/eiri/seppen/controllers/proof"
	"github.com/eiri/seppen/controllers/roster"
)

// barred is a reader that cannot read nodes.
type barred struct {
	client.Reader
	err error
}

func (b barred) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if _, node := into.(*corev1.Node); node {
		return b.err
	}
	return b.Reader.Get(ctx, key, into, opts...)
}

// deathbed is a member that does not answer, its pod and its machine.
type deathbed struct {
	pod     *corev1.Pod
	machine *corev1.Node
	silent  time.Duration
	r       *Reconciler
	w       *world
}

func newDeathbed(t *testing.T) *deathbed {
	t.Helper()
	kube := kubetest.Get(t)
	machine := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "machine-"}}
	if err := kube.Client.Create(t.Context(), machine); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kube.Client.Delete(context.WithoutCancel(t.Context()), machine) })
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: kube.Namespace(t), Name: "snow-0-255"}}
	pod.Spec.NodeName = machine.Name
	pod.Spec.Containers = []corev1.Container{{Name: "seppen", Image: "seppen"}}
	if err := kube.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	d := &deathbed{pod: pod, machine: machine, silent: 2 * time.Minute, r: &Reconciler{Client: kube.Client, Live: kube.Client}}
	m := layout.Member{
		Name: layout.Name{Base: "snow", Range: layout.Range{Lo: 0, Hi: 255}}, Address: "10.0.0.1:1", Home: string(pod.UID),
		Incarnation: layout.ID{1}, JoinEpoch: 1, Phase: layout.Serving,
	}
	l := &layout.Layout{Cluster: layout.ID{9}, Epoch: 1, Members: []layout.Member{m}}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	d.w = &world{cluster: &v1alpha1.SeppenCluster{}, record: &layouts.Record{Content: layouts.Content{Layout: l}}, sights: make(map[string]*roster.Sight)}
	d.w.cluster.Namespace, d.w.cluster.Name = pod.Namespace, "snow"
	d.r.homes.See(client.ObjectKeyFromObject(d.w.cluster), pod, time.Now())
	d.machineIs(t, func(n *corev1.Node) {
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	})
	return d
}

func (d *deathbed) machineIs(t *testing.T, change func(*corev1.Node)) {
	t.Helper()
	change(d.machine)
	status := d.machine.Status
	if err := d.r.Client.Update(t.Context(), d.machine); err != nil {
		t.Fatal(err)
	}
	d.machine.Status = status
	if err := d.r.Client.Status().Update(t.Context(), d.machine); err != nil {
		t.Fatal(err)
	}
}

// stopped has the kubelet say that the container ended.
func (d *deathbed) stopped(t *testing.T) {
	t.Helper()
	d.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "seppen", Image: "seppen", RestartCount: 1,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 7, ContainerID: "fake://1"}},
	}}
	if err := d.r.Client.Status().Update(t.Context(), d.pod); err != nil {
		t.Fatal(err)
	}
}

// What proves the death of a process that this operator has never heard of.
func TestDeaths(t *testing.T) {
	const ended, taint = "its container ended (exit code 7)", "is out of service"
	outOfService := func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: proof.OutOfService, Effect: corev1.TaintEffectNoExecute})
	}
	presume := func(d *deathbed) {
		d.w.cluster.Annotations = map[string]string{proof.PresumedDead: layout.ID{1}.String()}
	}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "machine", errors.New("no"))
	for name, tt := range map[string]struct {
		change func(t *testing.T, d *deathbed)
		want   string
		unsure bool
	}{
		"silent":            {func(*testing.T, *deathbed) {}, "", false},
		"out of service":    {func(t *testing.T, d *deathbed) { d.machineIs(t, outOfService) }, taint, false},
		"another taint":     {func(t *testing.T, d *deathbed) { d.machineIs(t, func(n *corev1.Node) { n.Spec.Unschedulable = true }) }, "", false},
		"silent for a wink": {func(t *testing.T, d *deathbed) { d.machineIs(t, outOfService); d.silent = time.Second }, "", false},
		"the operator may not see nodes": {func(t *testing.T, d *deathbed) {
			d.machineIs(t, outOfService)
			d.stopped(t)
			d.r.Live = barred{d.r.Live, forbidden}
		}, "", false},
		"it cannot be found out": {func(_ *testing.T, d *deathbed) { d.r.Live = barred{d.r.Live, errors.New("no answer")} }, "", true},
		"its machine is deleted": {func(t *testing.T, d *deathbed) {
			d.stopped(t)
			if err := d.r.Client.Delete(t.Context(), d.machine); err != nil {
				t.Fatal(err)
			}
		}, "", false},
		"stopped":                           {func(t *testing.T, d *deathbed) { d.stopped(t) }, ended, false},
		"stopped, silent for half a minute": {func(t *testing.T, d *deathbed) { d.stopped(t); d.silent = 30 * time.Second }, "", false},
		"stopped, says a kubelet of long ago": {func(t *testing.T, d *deathbed) {
			d.stopped(t)
			d.machineIs(t, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown })
		}, "", false},
		"its pod was replaced": {func(t *testing.T, d *deathbed) {
			d.stopped(t)
			d.w.record.Layout.Members[0].Home = "another"
		}, "", false},
		"a person says so":                      {func(_ *testing.T, d *deathbed) { presume(d) }, "a person says so", false},
		"a person says so, whatever else fails": {func(_ *testing.T, d *deathbed) { presume(d); d.r.Live = barred{d.r.Live, errors.New("no answer")} }, "a person says so", false},
		"a person says so, and it answers": {func(_ *testing.T, d *deathbed) {
			presume(d)
			d.w.sights["snow-0-255"] = &roster.Sight{Status: &peer.Status{Incarnation: layout.ID{1}}}
		}, "", false},
		"a person says so, and another node hears it": {func(_ *testing.T, d *deathbed) {
			presume(d)
			d.w.sights["snow-85-84"] = &roster.Sight{Status: &peer.Status{Incarnation: layout.ID{2}, Peers: []peer.PeerStatus{{Incarnation: layout.ID{1}, Silent: 1100}}}}
		}, "", false},
		"a person says so, and another node misses it": {func(_ *testing.T, d *deathbed) {
			presume(d)
			d.w.sights["snow-85-84"] = &roster.Sight{Status: &peer.Status{Incarnation: layout.ID{2}, Peers: []peer.PeerStatus{{Incarnation: layout.ID{1}, Silent: 1300}}}}
		}, "a person says so", false},
		"listed before": {func(_ *testing.T, d *deathbed) { d.w.record.Layout.Dead = []layout.ID{{1}} }, "its process ended", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeathbed(t)
			tt.change(t, d)
			d.w.silent = map[layout.ID]time.Duration{{1}: d.silent}
			if err := d.r.observeDeaths(t.Context(), d.w); err != nil {
				t.Fatal(err)
			}
			got := d.w.dead[layout.ID{1}]
			if d.w.unsure != tt.unsure || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("%q, unsure %t", got, d.w.unsure)
			}
		})
	}
}
