package objects

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eiri/seppen/api/v1alpha1"
)

// A pod has the time to be copied as a whole, in the figures that Kubernetes and the node go by.
func TestGrace(t *testing.T) {
	for memory, want := range map[string]struct {
		seconds int64
		leave   string
	}{
		"160Mi": {341, "--leave-timeout=5m11s"}, // 30 s, 5 minutes, 10 s and a bit
		"16Gi":  {1355, "--leave-timeout=22m5s"},
		"9Ei":   {86400, "--leave-timeout=23h59m30s"},
	} {
		c := readCluster(t, clusters["sample"])
		c.Spec.MemoryLimit = nil
		c.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)}}
		for _, limit := range []string{"", "64Ki", "1Gi"} {
			c.Spec.Transfer = nil
			if limit != "" {
				c.Spec.Transfer = &v1alpha1.TransferSpec{MaxBytesPerSecond: new(resource.MustParse(limit))}
			}
			spec := podSpec(c, testImage)
			if got := *spec.TerminationGracePeriodSeconds; got != want.seconds {
				t.Errorf("%s, limit %q: %d s, not %d", memory, limit, got, want.seconds)
			}
			if args := spec.Containers[0].Args; !slices.Contains(args, want.leave) || !slices.Contains(args, "--linger=3s") {
				t.Errorf("%s, limit %q: %v", memory, limit, args)
			}
		}
	}
}

// Who says nothing about lost machines gets ours, and nobody gets two.
func TestTolerations(t *testing.T) {
	lost := func(key string) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(30))}
	}
	mine := corev1.Toleration{Key: "mine", Operator: corev1.TolerationOpExists}
	long := corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(900))}
	schedule := corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule}
	everything := corev1.Toleration{Operator: corev1.TolerationOpExists}
	for name, tt := range map[string]struct{ user, want []corev1.Toleration }{
		"nothing":                 {nil, []corev1.Toleration{lost(corev1.TaintNodeUnreachable), lost(corev1.TaintNodeNotReady)}},
		"another key":             {[]corev1.Toleration{mine}, []corev1.Toleration{mine, lost(corev1.TaintNodeUnreachable), lost(corev1.TaintNodeNotReady)}},
		"another time":            {[]corev1.Toleration{long}, []corev1.Toleration{long, lost(corev1.TaintNodeNotReady)}},
		"another effect":          {[]corev1.Toleration{schedule}, []corev1.Toleration{schedule, lost(corev1.TaintNodeUnreachable), lost(corev1.TaintNodeNotReady)}},
		"everything, and forever": {[]corev1.Toleration{everything}, []corev1.Toleration{everything}},
	} {
		c := readCluster(t, clusters["sample"])
		c.Spec.PodTemplate = &v1alpha1.PodTemplate{Spec: &v1alpha1.PodPlacement{Tolerations: tt.user}}
		if got := podSpec(c, testImage).Tolerations; !slices.EqualFunc(got, tt.want, func(a, b corev1.Toleration) bool {
			return a.MatchToleration(&b) && equal(a.TolerationSeconds, b.TolerationSeconds)
		}) {
			t.Errorf("%s: %v, not %v", name, got, tt.want)
		}
	}
}

func equal(a, b *int64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// The revision is that of the template and of nothing else, and a pod has it as its label.
func TestRevision(t *testing.T) {
	c := readCluster(t, clusters["sample"])
	names := nodes(t, c)
	before := Revision(c, testImage)
	for _, n := range names {
		if got := StatefulSet(c, n, testImage).Spec.Template.Labels[RevisionLabel]; got != before || got == "" {
			t.Errorf("%s has revision %q, not %q", n, got, before)
		}
	}
	for name, tt := range map[string]struct {
		change func(c *v1alpha1.SeppenCluster)
		same   bool
	}{
		"nothing": {func(*v1alpha1.SeppenCluster) {}, true},
		"shards":  {func(c *v1alpha1.SeppenCluster) { c.Spec.Shards = new(int32(9)) }, true},
		"copies":  {func(c *v1alpha1.SeppenCluster) { c.Spec.Copies = new(int32(1)) }, true},
		"maxSurge": {func(c *v1alpha1.SeppenCluster) {
			c.Spec.UpdateStrategy = &v1alpha1.UpdateStrategy{MaxSurge: new(int32(2))}
		}, true},
		"transfer limit": {func(c *v1alpha1.SeppenCluster) {
			c.Spec.Transfer = &v1alpha1.TransferSpec{MaxBytesPerSecond: new(resource.MustParse("1Mi"))}
		}, true},
		"service": {func(c *v1alpha1.SeppenCluster) { c.Spec.Service = &v1alpha1.ServiceSpec{Port: 80} }, true},
		"image":   {func(c *v1alpha1.SeppenCluster) { c.Spec.Image = "another" }, false},
		"memory":  {func(c *v1alpha1.SeppenCluster) { c.Spec.MemoryLimit = new(resource.MustParse("3Gi")) }, false},
		"a label": {func(c *v1alpha1.SeppenCluster) {
			c.Spec.PodTemplate = &v1alpha1.PodTemplate{Metadata: &v1alpha1.PodMetadata{Labels: map[string]string{"a": "b"}}}
		}, false},
	} {
		d := c.DeepCopy()
		tt.change(d)
		if got := Revision(d, testImage); (got == before) != tt.same {
			t.Errorf("%s: %s and %s", name, before, got)
		}
	}
	if got := Revision(c, "another"); got == before {
		t.Error("another image of the operator's is the same revision")
	}
}
