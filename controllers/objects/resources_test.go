package objects

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eiri/seppen/api/v1alpha1"
)

func TestResources(t *testing.T) {
	type list = map[corev1.ResourceName]string
	for name, tt := range map[string]struct {
		limit                string // spec.memoryLimit
		limits, requests     list
		wantLimits, wantAsks list
	}{
		"nothing": {
			wantLimits: list{"memory": "1Gi"},
			wantAsks:   list{"memory": "1Gi", "cpu": "100m"},
		},
		"a small memory limit leaves 64Mi": {
			limit:      "1Mi",
			wantLimits: list{"memory": "65Mi"},
			wantAsks:   list{"memory": "65Mi", "cpu": "100m"},
		},
		"a large one leaves a third": {
			limit:      "3Gi",
			wantLimits: list{"memory": "4Gi"},
			wantAsks:   list{"memory": "4Gi", "cpu": "100m"},
		},
		"rounded up to whole MiB": {
			limit:      "1048577",
			wantLimits: list{"memory": "66Mi"},
			wantAsks:   list{"memory": "66Mi", "cpu": "100m"},
		},
		"more than there is": {
			limit:      "8Ei",
			wantLimits: list{"memory": "2932031007403Mi"},
			wantAsks:   list{"memory": "2932031007403Mi", "cpu": "100m"},
		},
		"a request above what would be the limit": {
			limit:      "1Mi",
			requests:   list{"memory": "2Gi"},
			wantLimits: list{"memory": "2Gi"},
			wantAsks:   list{"memory": "2Gi", "cpu": "100m"},
		},
		"a request below it": {
			requests:   list{"memory": "100M"},
			wantLimits: list{"memory": "1Gi"},
			wantAsks:   list{"memory": "100M", "cpu": "100m"},
		},
		"a limit only": {
			limit:      "100Mi",
			limits:     list{"memory": "5G"},
			wantLimits: list{"memory": "5G"},
			wantAsks:   list{"memory": "5G", "cpu": "100m"},
		},
		"less CPU than we would ask for": {
			limits:     list{"cpu": "30m"},
			wantLimits: list{"memory": "1Gi", "cpu": "30m"},
			wantAsks:   list{"memory": "1Gi", "cpu": "30m"},
		},
		"everything": {
			limits:     list{"memory": "2Gi", "cpu": "2", "example.com/fpga": "1"},
			requests:   list{"memory": "1Gi", "cpu": "1", "example.com/fpga": "1"},
			wantLimits: list{"memory": "2Gi", "cpu": "2", "example.com/fpga": "1"},
			wantAsks:   list{"memory": "1Gi", "cpu": "1", "example.com/fpga": "1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &v1alpha1.SeppenCluster{}
			if tt.limit != "" {
				c.Spec.MemoryLimit = new(resource.MustParse(tt.limit))
			}
			if tt.limits != nil || tt.requests != nil {
				c.Spec.Resources = &corev1.ResourceRequirements{Limits: quantities(tt.limits), Requests: quantities(tt.requests)}
			}
			got := resources(c)
			if diff := cmp.Diff(tt.wantLimits, texts(got.Limits)); diff != "" {
				t.Errorf("limits (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.wantAsks, texts(got.Requests)); diff != "" {
				t.Errorf("requests (-want +got)\n%s", diff)
			}
		})
	}
}

func quantities(in map[corev1.ResourceName]string) corev1.ResourceList {
	if in == nil {
		return nil
	}
	out := corev1.ResourceList{}
	for name, q := range in {
		out[name] = resource.MustParse(q)
	}
	return out
}

func texts(in corev1.ResourceList) map[corev1.ResourceName]string {
	out := map[corev1.ResourceName]string{}
	for name, q := range in {
		out[name] = q.String()
	}
	return out
}
