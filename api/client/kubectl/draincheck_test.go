package kubectl

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/eiri/seppen/api/layout"
)

// on puts a cluster's pods on machines.
func (c *cluster) on(machines ...string) *cluster {
	for i, m := range machines {
		c.pods[i].Spec.NodeName = m
	}
	return c
}

func (c *cluster) with(do func(*cluster)) *cluster {
	do(c)
	return c
}

func TestDrainCheck(t *testing.T) {
	two := func() *cluster { return newCluster(t, "default", "snow", 3, 2) }
	three := func() *cluster { return newCluster(t, "default", "snow", 3, 3) }
	one := func() *cluster { return newCluster(t, "default", "snow", 3, 1) }
	other := func() *cluster { return newCluster(t, "prod", "ice", 3, 1) }
	job := podOf(two().SeppenCluster, "job", "job", "m0")
	job.Labels = nil
	for _, c := range []struct {
		what  string
		on    []*cluster
		args  []string
		code  int
		words []string
	}{
		{"a pod with copies elsewhere", []*cluster{two()}, []string{"snow-0-169"}, 0, []string{"default/snow:", "pod snow-0-169 on m0", "safe", "Nothing would be lost"}},
		{"the same by its kind", []*cluster{two()}, []string{"pod/snow-0-169"}, 0, nil},
		{"a pod with the only copy", []*cluster{one()}, []string{"snow-0-84"}, 1, []string{
			"NOT SAFE: there is no other copy of slots 0-84", "NOT SAFE: snow-0-84: 0-84 has one copy", "kubectl delete pod snow-0-84", "Never use --force",
		}},
		{"a machine with one pod", []*cluster{two()}, []string{"m1"}, 0, []string{"snow-85-255"}},
		{"a machine with two pods that are safe alone", []*cluster{two().on("m0", "m0")}, []string{"m0"}, 1, []string{
			"NOT SAFE: together they hold all copies of slots 85-169 to rely on", "kubectl drain", "m0",
		}},
		{"two of three pods where each has all", []*cluster{three().on("m0", "m0")}, []string{"m0"}, 0, nil},
		{"all three of these", []*cluster{three().on("m0", "m0", "m0")}, []string{"m0"}, 1, []string{"slots 0-255"}},
		{"a machine by its kind", []*cluster{two().on("m0", "m0")}, []string{"node/m0"}, 1, nil},
		{"a machine with pods in another namespace", []*cluster{two(), other()}, []string{"m0"}, 0, []string{"Other namespaces were not looked at; -A"}},
		{"all namespaces", []*cluster{two(), other()}, []string{"m0", "-A"}, 1, []string{"prod/ice:", "0-84 has one copy", "default/snow:", "safe: every slot"}},
		{"an empty machine", []*cluster{two()}, []string{"m3"}, 0, []string{"machine m3 has no pods of Seppen in namespace default: nothing would be lost. Other"}},
		{"an empty machine, all namespaces", []*cluster{two()}, []string{"m3", "-A"}, 0, []string{"in all namespaces"}},
		{"neither a pod nor a machine", []*cluster{two()}, []string{"nosuch"}, 2, []string{"neither a pod nosuch in namespace default nor a machine"}},
		{"no such pod", []*cluster{two()}, []string{"pod/nosuch"}, 2, []string{"there is no pod nosuch"}},
		{"no such kind", []*cluster{two()}, []string{"service/snow"}, 2, []string{"neither a pod nor a machine"}},
		{"somebody else's pod", []*cluster{two().with(func(c *cluster) { c.pods = append(c.pods, job) })}, []string{"job"}, 2, []string{"not a node of a SeppenCluster"}},
		{"nothing named", []*cluster{two()}, nil, 2, nil},
		{"no such flag", []*cluster{two()}, []string{"--no"}, 2, nil},
		{"a pod that has ended", []*cluster{one().with(func(c *cluster) { c.pods[0].Status.Phase = corev1.PodFailed })}, []string{"snow-0-84"}, 0, nil},
		{"no layout yet", []*cluster{one().with(func(c *cluster) {
			c.layout, c.Status.Epoch, c.Status.Nodes = nil, 0, nil
		})}, []string{"snow-0-84"}, 0, nil},
		{"the layout is gone", []*cluster{one().with(func(c *cluster) { c.layout = nil })}, []string{"snow-0-84"}, 2, []string{"cluster default/snow: its layout is gone"}},
		{"the cluster is gone", []*cluster{one().with(func(c *cluster) { c.SeppenCluster = newCluster(t, "default", "rain", 1, 1).SeppenCluster })}, []string{"snow-0-84"}, 2, []string{"no SeppenCluster snow"}},
		{"a status that is behind", []*cluster{two().with(func(c *cluster) { c.Status.Epoch = 6 })}, []string{"snow-0-169"}, 0, []string{"ask again in a moment"}},

		// Who cannot be relied on is no copy.
		{"the other pod is not ready", []*cluster{two().with(func(c *cluster) { c.pods[1].Status.Conditions[0].Status = "False" })}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"the other pod has no condition", []*cluster{two().with(func(c *cluster) { c.pods[1].Status.Conditions = nil })}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"the other pod ends", []*cluster{two().with(func(c *cluster) {
			c.pods[1].DeletionTimestamp, c.pods[1].Finalizers = new(metav1.Now()), []string{"seppen.io/test"}
		})}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"the other node does not serve", []*cluster{two().with(func(c *cluster) { c.Status.Nodes[1].Ready = false })}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"the other process is a new one", []*cluster{two().with(func(c *cluster) { c.Status.Nodes[1].Incarnation = "other" })}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"the other pod is a new one", []*cluster{two().with(func(c *cluster) { c.pods[1].UID = "other" })}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"the other node copies yet", []*cluster{two().with(func(c *cluster) { c.layout.Members[1].Phase = layout.Attached })}, []string{"snow-0-169"}, 1, []string{"slots 85-169"}},
		{"it holds nothing itself", []*cluster{one().with(func(c *cluster) {
			c.pods[0].UID = "other"
			c.Status.Nodes[0].SafeToDelete = true
		})}, []string{"snow-0-84"}, 0, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := (&world{objects: machines("m0", "m1", "m2", "m3")}).put(c.on...)
			w.run(t, append([]string{"drain-check"}, c.args...)...).is(t, c.code, c.words...)
		})
	}
}

func TestDrainCheckCannotAsk(t *testing.T) {
	broken := func(resource string) *world {
		w := (&world{objects: machines("m0")}).put(newCluster(t, "default", "snow", 3, 2))
		w.hooks = interceptor.Funcs{
			Get: func(ctx context.Context, kube client.WithWatch, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
				if kind(into) == resource {
					return errors.New("no route to host")
				}
				return kube.Get(ctx, key, into, o...)
			},
			List: func(ctx context.Context, kube client.WithWatch, into client.ObjectList, o ...client.ListOption) error {
				if kind(into) == resource {
					return errors.New("no route to host")
				}
				return kube.List(ctx, into, o...)
			},
		}
		return w
	}
	for resource, target := range map[string]string{"Pod": "snow-0-169", "PodList": "snow-0-169", "Node": "m0", "ConfigMap": "snow-0-169", "SeppenCluster": "snow-0-169"} {
		broken(resource).run(t, "drain-check", target).is(t, 2, "no route to host")
	}
	(&world{}).put(newCluster(t, "default", "snow", 3, 2)).run(t, "drain-check", "m0", "-n").is(t, 2)
}

// kind is the type of an object without its package.
func kind(o any) string {
	switch o.(type) {
	case *corev1.Pod:
		return "Pod"
	case *corev1.PodList:
		return "PodList"
	case *corev1.Node:
		return "Node"
	case *corev1.ConfigMap:
		return "ConfigMap"
	}
	return "SeppenCluster"
}

// Who may not look at machines may look at the pods on them.
func TestDrainCheckWithoutRightsToMachines(t *testing.T) {
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2).on("m0", "m0"))
	w.hooks.Get = func(ctx context.Context, kube client.WithWatch, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
		if kind(into) == "Node" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, key.Name, errors.New("not yours"))
		}
		return kube.Get(ctx, key, into, o...)
	}
	w.run(t, "drain-check", "m0").is(t, 1, "together")
	w.run(t, "drain-check", "m9").is(t, 2, "forbidden")
}

func TestDrainCheckInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	w.hooks.Get = func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
		cancel()
		return ctx.Err()
	}
	w.runIn(ctx, "drain-check", "snow-0-169").is(t, 130)
}

// What is said against a node cannot do anything to a terminal.
func TestReasonsArePrintable(t *testing.T) {
	c := newCluster(t, "default", "snow", 3, 1)
	c.Status.Nodes[0].SafeToDeleteReason = "\x1b[2J"
	if r := (&world{}).put(c).run(t, "drain-check", "snow-0-84"); strings.Contains(r.out, "\x1b") {
		t.Errorf("%q", r.out)
	}
}
