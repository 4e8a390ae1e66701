package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// autoscaled: Kubernetes' own autoscaler has a cluster grow with what it holds, and shrink
// again, and nothing is lost by it.
func autoscaled() *features.FeatureBuilder {
	c := cluster{"e2e-autoscaled", "auto"}
	const (
		values = 80
		size   = 512 << 10
	)
	value := func(i int) string { return fmt.Sprintf("%d ", i) + strings.Repeat("x", size) }
	var metrics *metricsServer
	var clients *steady
	var service store
	return c.under(features.New("autoscaled").Setup(c.made("  memoryLimit: 64Mi\n  valueSizeLimit: 1Mi\n  resources: {requests: {cpu: 10m}}\n  shards: 2\n  copies: 1")), &clients).
		Setup(step(func(t *testing.T) {
			metrics = serveMetrics(t)
			s := &corev1.Service{}
			if err := get(t.Context(), c.namespace, c.name, s); err != nil {
				t.Fatal(err)
			}
			service = store{url: "http://" + s.Spec.ClusterIP + ":21285"}
			// One node at a time: while nodes are replaced the old and the new ones count both.
			apply(t, c.namespace, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: auto}
spec:
  scaleTargetRef: {apiVersion: seppen.io/v1alpha1, kind: SeppenCluster, name: auto}
  minReplicas: 2
  maxReplicas: 3
  metrics:
  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 36Mi}}}
  behavior:
    scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 1, periodSeconds: 60}]}
    scaleDown: {stabilizationWindowSeconds: 0}
`)
		})).
		Assess("it knows what the pods use", step(func(t *testing.T) {
			eventually(t, time.Minute, func() error {
				got := kubectl(t, "get", "hpa", "auto", "--namespace", c.namespace, "-o", `jsonpath={.status.conditions[?(@.type=="ScalingActive")].status} {.status.currentReplicas}`)
				if got != "True 2" {
					return fmt.Errorf("scaling is active, of so many replicas: %s", got)
				}
				return nil
			})
		})).
		Assess("what fills has the cluster grow", step(func(t *testing.T) {
			clients.during(t, "scaled out by the autoscaler", func() {
				for i := range values {
					service.must(t, http.StatusCreated, http.MethodPut, fmt.Sprintf("/filling/%d", i), value(i))
				}
				c.comesTo(t, 3, 1)
			})
			for i := range values {
				if r := service.must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/filling/%d", i), ""); r.body != value(i) {
					t.Errorf("/filling/%d has %d bytes of something else", i, len(r.body))
				}
			}
		})).
		Assess("what empties has it shrink", step(func(t *testing.T) {
			clients.during(t, "scaled in by the autoscaler", func() {
				for i := range values {
					service.must(t, http.StatusNoContent, http.MethodDelete, fmt.Sprintf("/filling/%d", i), "")
				}
				c.comesTo(t, 2, 1)
			})
		})).
		Teardown(step(func(t *testing.T) {
			if metrics != nil {
				metrics.withdraw(t)
			}
		}))
}
