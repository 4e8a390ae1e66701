package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// apiAway is for how long the API server does not answer.
const apiAway = time.Minute

// slowReady is for how long nobody may be found by a Service whose new pods were not called ready
// yet when the old one ended: kubelets stand still for three seconds, look once, and stand still.
const slowReady = 10 * time.Second

// kubernetesAway: in the middle of a change the kubelets are slow, and then the API server is
// away, for long enough that the operator loses its lease. Nothing is lost, clients notice nothing of
// the latter, and what was begun is ended.
func kubernetesAway() *features.FeatureBuilder {
	c := cluster{"e2e-away", "a"}
	var clients *steady
	scale := func(t *testing.T, n int) {
		kubectl(t, "scale", "seppencluster", c.name, "--namespace", c.namespace, fmt.Sprintf("--replicas=%d", n))
	}
	return c.under(features.New("Kubernetes away").Setup(c.made(small+"\n  shards: 1\n  copies: 1")), &clients).
		Assess("slow kubelets", step(func(t *testing.T) {
			clients.duringUpTo(t, slowReady, "1 shard becomes 2, slow kubelets", func() {
				defer slowKubelets(t, "n1", "n2")()
				scale(t, 2)
				c.comesTo(t, 2, 1)
			})
		})).
		Assess("no API server for a minute", step(func(t *testing.T) {
			clients.during(t, "2 become 4, a minute without the API", func() {
				scale(t, 4)
				c.says(t, 30*time.Second, "Progressing", metav1.ConditionTrue, "Scaling")
				eventually(t, 30*time.Second, func() error {
					for name := range c.podsNow(t) {
						if strings.HasPrefix(name, c.name+"-r") {
							return nil
						}
					}
					return fmt.Errorf("no new node has a pod")
				})
				fault(t, "api-freeze")
				defer fault(t, "api-thaw") // what ends the test in between leaves it as it was
				for end := time.Now().Add(apiAway); time.Now().Before(end); {
					clients.goesOn(t)
					time.Sleep(time.Second)
				}
				fault(t, "api-thaw")
				back := time.Now()
				c.comesTo(t, 4, 1)
				fmt.Printf("  it was done %.1f s after the API was back\n", time.Since(back).Seconds())
			})
		}))
}

// slowKubelets stops kubelets most of the time, each for less than it takes until its machine is
// called lost, and returns what ends that.
func slowKubelets(t *testing.T, machines ...string) (end func()) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	all := func(what string) {
		for _, m := range machines {
			if r := execute(t.Context(), "", root+"/hack/kube/fault.sh", what, m); r.err != nil {
				t.Error(r.err) // not Fatal: this is not the test's goroutine
			}
		}
	}
	go func() {
		defer close(done)
		for {
			all("kubelet-freeze")
			select {
			case <-stop:
				all("kubelet-thaw")
				return
			case <-time.After(3 * time.Second):
			}
			all("kubelet-thaw")
			time.Sleep(time.Second)
		}
	}()
	return func() {
		close(stop)
		<-done
	}
}
