package kubectl

import (
	"bytes"
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/v1alpha1"
)

// spec is what the API server has.
func (w *world) spec(t *testing.T) v1alpha1.SeppenClusterSpec {
	t.Helper()
	c := &v1alpha1.SeppenCluster{}
	if err := w.open().Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "snow"}, c); err != nil {
		t.Fatal(err)
	}
	return c.Spec
}

func (w *world) hasShape(t *testing.T, shards, copies int32) {
	t.Helper()
	if s := w.spec(t); *s.Shards != shards || *s.Copies != copies {
		t.Errorf("%d shards, %d copies, not %d, %d", *s.Shards, *s.Copies, shards, copies)
	}
}

func TestScale(t *testing.T) {
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	w.run(t, "scale", "snow", "--shards", "4").is(t, 0,
		"snow: 3 shards, 2 copies -> 4 shards, 2 copies\n",
		"  4 nodes come, for the ranges: 0-127 64-191 128-255 192-63\n",
		"  3 nodes go: snow-0-169 snow-85-255 snow-170-84\n",
		"  Until the old ones are gone 7 pods run. The new ones need 4 x 1Gi = 4Gi of memory on the machines.\n",
		"It is under way")
	w.hasShape(t, 4, 2)
	w.run(t, "scale", "--copies", "1").is(t, 0, "4 shards, 2 copies -> 4 shards, 1 copy", "With one copy")
	w.hasShape(t, 4, 1)
}

func TestScaleDryRun(t *testing.T) {
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	w.run(t, "scale", "--shards=6", "--dry-run").is(t, 0, "6 nodes come", "Nothing was changed")
	w.hasShape(t, 3, 2)
}

func TestScaleToWhatThereIs(t *testing.T) {
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	w.run(t, "scale", "--shards=3", "--wait").is(t, 0, "No node comes or goes")
}

func TestScaleRefused(t *testing.T) {
	ranges := newCluster(t, "default", "snow", 3, 2)
	ranges.Spec.Ranges = []string{"snow-0-255"}
	invalid := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	invalid.hooks.Patch = func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return apierrors.NewInvalid(schema.GroupKind{Group: "seppen.io", Kind: "SeppenCluster"}, "snow", field.ErrorList{
			field.Invalid(field.NewPath("spec", "copies"), 9, "should be less than or equal to 8"),
		})
	}
	fine := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	for _, c := range []struct {
		what  string
		world *world
		args  []string
		code  int
		words []string
	}{
		{"nothing said", fine, nil, 2, []string{"--shards or --copies"}},
		{"no shards", fine, []string{"--shards=0"}, 2, []string{"at least one"}},
		{"no number", fine, []string{"--shards=x"}, 2, nil},
		{"ranges", (&world{}).put(ranges), []string{"--shards=4"}, 1, []string{"hand-written ranges", "kubectl edit seppencluster snow"}},
		{"by the API server", invalid, []string{"--copies=9"}, 1, []string{"the API server refuses it: spec.copies: Invalid value: 9: should be less than or equal to 8"}},
		{"no such cluster", &world{}, []string{"--shards=4"}, 1, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := c.world.run(t, append([]string{"scale"}, c.args...)...)
			r.is(t, c.code, c.words...)
			if r.out != "" {
				t.Errorf("it says what will happen, and it will not: %s", r.out)
			}
		})
	}
	fine.hasShape(t, 3, 2)
}

// Nodes that go come back if their range is wanted again; of two of one range the one stays
// that was to stay.
func TestForecast(t *testing.T) {
	c := newCluster(t, "default", "snow", 3, 2)
	for i := range c.Status.Nodes {
		c.Status.Nodes[i].Retiring = true
	}
	c.Status.Nodes = append(c.Status.Nodes,
		v1alpha1.NodeStatus{Name: "snow-r1-0-169", Range: "0-169"}, v1alpha1.NodeStatus{Name: "snow-r1-0-127", Range: "0-127"})
	f, err := forecastOf(c.SeppenCluster, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"2 nodes go: snow-0-169 snow-r1-0-127", "3 nodes stay: snow-85-255 snow-170-84 snow-r1-0-169",
	}
	if d := cmp.Diff(want, f.lines(nil)); d != "" {
		t.Error(d)
	}
	if _, err := forecastOf(c.SeppenCluster, 300, 2); err == nil {
		t.Error("300 shards")
	}
	many, err := forecastOf(newCluster(t, "default", "snow", 3, 2).SeppenCluster, 256, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := many.lines(nil)[0]; got != "256 nodes come, for the ranges: 0-0 1-1 2-2 3-3 4-4 5-5 6-6 7-7 and 248 more" {
		t.Error(got)
	}
}

// It waits for what is said of this very change, tells what goes on, and ends with it.
func TestWait(t *testing.T) {
	for _, c := range []struct {
		reason string
		code   int
		words  string
	}{
		{"Complete", 0, "All is as the spec asks."},
		{"ImagePull", 1, "it does not go on by itself: ImagePull"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
			// The fake has no generations.
			w.hooks.Patch = func(ctx context.Context, kube client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				o.SetGeneration(2)
				return kube.Patch(ctx, o, p, options...)
			}
			out, done := newSeen(), make(chan result)
			p := &plugin{connected: w.open()}
			go func() { done <- runInto(t.Context(), p, out, &bytes.Buffer{}, "scale", "--shards=4", "--wait") }()
			out.has(t, "    0s  The operator has not told of this change yet.\n")
			says := func(status, reason, message string) func(*v1alpha1.SeppenCluster) {
				return func(c *v1alpha1.SeppenCluster) { (&cluster{SeppenCluster: c}).says(status, reason, message, 2) }
			}
			w.change(t, says("True", "Scaling", "four come"))
			out.has(t, "    0s  Scaling: four come\n")
			w.change(t, says("False", c.reason, "All is as the spec asks."))
			r := <-done
			r.out = out.has(t)
			r.is(t, c.code, c.words)
		})
	}
}

func TestWaitTimesOut(t *testing.T) {
	c := newCluster(t, "default", "snow", 3, 2)
	c.says("True", "Scaling", "four come", 9)
	w := (&world{}).put(c)
	w.run(t, "scale", "--shards=4", "--wait", "--timeout=50ms").is(t, 1, "not done within 50ms; it goes on: Scaling: four come")
	w.run(t, "restart", "--wait", "--timeout=50ms").is(t, 1, "not done within 50ms")
}

func TestProgress(t *testing.T) {
	c := newCluster(t, "default", "snow", 3, 2).SeppenCluster
	for _, now := range []struct {
		conditions []metav1.Condition
		done, fail bool
	}{
		{nil, false, false},
		{[]metav1.Condition{{Type: "Progressing", Status: "False", Reason: "Complete", ObservedGeneration: 4}}, false, false},
		{[]metav1.Condition{{Type: "Progressing", Status: "True", Reason: "Joining", ObservedGeneration: 5}}, false, false},
		{[]metav1.Condition{{Type: "Progressing", Status: "False", Reason: "Complete", ObservedGeneration: 5}}, true, false},
		{[]metav1.Condition{{Type: "Progressing", Status: "False", Reason: "Stuck", ObservedGeneration: 6}}, true, true},
	} {
		c.Status.Conditions = now.conditions
		if done, text, err := progress(c, 5); done != now.done || (err != nil) != now.fail || text == "" {
			t.Errorf("%+v: %v, %q, %v", now.conditions, done, text, err)
		}
	}
}

func TestRestart(t *testing.T) {
	c := newCluster(t, "default", "snow", 3, 2)
	c.Spec.PodTemplate = &v1alpha1.PodTemplate{Metadata: &v1alpha1.PodMetadata{Annotations: map[string]string{"mine": "stays"}}}
	w := (&world{}).put(c)
	w.run(t, "restart").is(t, 0, "snow: 3 nodes are replaced, 1 at a time", "1 x 1Gi = 1Gi of memory")
	want := map[string]string{"mine": "stays", restartedAt: "2026-11-23T05:00:00Z"}
	if d := cmp.Diff(want, w.spec(t).PodTemplate.Metadata.Annotations); d != "" {
		t.Error(d)
	}
	bare := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	bare.run(t, "restart", "snow").is(t, 0)
	if got := bare.spec(t).PodTemplate.Metadata.Annotations[restartedAt]; got == "" {
		t.Error("there is no annotation")
	}
	failing := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	failing.hooks.Patch = func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return errors.New("no quorum")
	}
	failing.run(t, "restart").is(t, 1, "no quorum")
	(&world{}).run(t, "restart", "a", "b").is(t, 2)
}
