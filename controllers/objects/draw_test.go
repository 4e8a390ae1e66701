package objects

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// drawCluster draws any valid cluster with its defaults.
func drawCluster(t *rapid.T) *v1alpha1.SeppenCluster {
	c := &v1alpha1.SeppenCluster{ObjectMeta: metav1.ObjectMeta{
		Name:      rapid.StringMatching(`[a-z]([-a-z0-9]{0,38}[a-z0-9])?`).Draw(t, "name"),
		Namespace: rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`).Draw(t, "namespace"),
		UID:       types.UID(rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "uid")),
	}}
	shards, copies := rapid.IntRange(1, 20).Draw(t, "shards"), rapid.IntRange(1, v1alpha1.MaxCopies).Draw(t, "copies")
	if rapid.Bool().Draw(t, "by hand") {
		c.Spec.Ranges = drawRanges(t, shards, copies)
	} else {
		c.Spec.Shards, c.Spec.Copies = new(int32(shards)), new(int32(copies))
	}
	drawMemory(t, &c.Spec)
	c.Spec.SecretRef = drawMaybe(t, "secretRef", v1alpha1.SecretReference{Name: "mine", Key: "password"})
	c.Spec.ImagePullSecrets = rapid.SliceOfN(rapid.Just(corev1.LocalObjectReference{Name: "pull"}), 0, 1).Draw(t, "pull secrets")
	if rapid.Bool().Draw(t, "service") {
		c.Spec.Service = &v1alpha1.ServiceSpec{Annotations: drawMap(t, "service's annotations"), Port: rapid.Int32Range(0, 65535).Draw(t, "port")}
	}
	if rapid.Bool().Draw(t, "pod template") {
		c.Spec.PodTemplate = &v1alpha1.PodTemplate{Spec: drawPlacement(t)}
		c.Spec.PodTemplate.Metadata = drawMaybe(t, "metadata", v1alpha1.PodMetadata{
			Labels: drawMap(t, "labels"), Annotations: drawMap(t, "annotations"),
		})
	}
	c.Default()
	if errs := c.Validate(); len(errs) > 0 {
		t.Fatalf("this draws what is not valid: %v", errs)
	}
	return c
}

func drawMaybe[T any](t *rapid.T, what string, v T) *T {
	if rapid.Bool().Draw(t, what) {
		return &v
	}
	return nil
}

// drawRanges draws names by hand: those of shards and copies with bases as long as may be.
func drawRanges(t *rapid.T, shards, copies int) []string {
	names, err := layout.Names("x", shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, n := range names {
		room := v1alpha1.MaxRangeLength - len("-"+n.Range.String())
		n.Base = rapid.StringMatching(fmt.Sprintf(`[a-z0-9][-a-z0-9]{0,%d}`, room-1)).Draw(t, fmt.Sprint("base ", i))
		out = append(out, n.String())
	}
	return out
}

func drawMemory(t *rapid.T, s *v1alpha1.SeppenClusterSpec) {
	limit := int64(0)
	if rapid.Bool().Draw(t, "memory limit") {
		limit = rapid.Int64Range(1<<20, 1<<40).Draw(t, "bytes")
		s.MemoryLimit = resource.NewQuantity(limit, resource.BinarySI)
	}
	if !rapid.Bool().Draw(t, "resources") {
		return
	}
	r := &corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	most := int64(1 << 41)
	if rapid.Bool().Draw(t, "a limit of memory") {
		most = rapid.Int64Range(limit+32<<20, most).Draw(t, "limit")
		r.Limits[corev1.ResourceMemory] = *resource.NewQuantity(most, resource.BinarySI)
	}
	if rapid.Bool().Draw(t, "a request of memory") {
		r.Requests[corev1.ResourceMemory] = *resource.NewQuantity(rapid.Int64Range(1, most).Draw(t, "request"), resource.DecimalSI)
	}
	if rapid.Bool().Draw(t, "a limit of CPU") {
		r.Limits[corev1.ResourceCPU] = *resource.NewMilliQuantity(rapid.Int64Range(1, 64000).Draw(t, "CPU"), resource.DecimalSI)
	}
	s.Resources = r
}

// drawMap draws labels or annotations, among them ours.
func drawMap(t *rapid.T, what string) map[string]string {
	keys := rapid.SampledFrom([]string{nameLabel, instanceLabel, componentLabel, managerLabel, NodeLabel, "team", "example.com/x", "y"})
	return rapid.MapOfN(keys, rapid.StringMatching(`[a-z]{0,3}`), 0, 8).Draw(t, what)
}

func drawPlacement(t *rapid.T) *v1alpha1.PodPlacement {
	p := &v1alpha1.PodPlacement{
		NodeSelector: drawMap(t, "nodeSelector"),
		Tolerations:  rapid.SliceOfN(rapid.Just(corev1.Toleration{Key: "t", TolerationSeconds: new(int64(5))}), 0, 2).Draw(t, "tolerations"),
	}
	p.Affinity = drawMaybe(t, "affinity", corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: "k", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
		}},
	}})
	var spread []corev1.TopologySpreadConstraint
	for range rapid.IntRange(0, 2).Draw(t, "constraints") {
		spread = append(spread, corev1.TopologySpreadConstraint{
			TopologyKey: "k", MaxSkew: 1, MinDomains: new(int32(2)), WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: drawMaybe(t, "labelSelector", metav1.LabelSelector{MatchLabels: drawMap(t, "matchLabels")}),
		})
	}
	p.TopologySpreadConstraints = drawMaybe(t, "topologySpreadConstraints", spread)
	return p
}
