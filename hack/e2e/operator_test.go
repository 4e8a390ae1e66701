package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// lasting is a cluster that outlives operators, from the first one to the last.
var lasting = cluster{"e2e-operator", "lasting"}

// operatorGone ends the operator in the middle of its work, and then for a while. Clients
// of a cluster that runs notice nothing of it.
func operatorGone() *features.FeatureBuilder {
	midway := cluster{lasting.namespace, "midway"}
	var clients *steady
	var processes map[string]string
	return features.New("operator gone").
		Setup(lasting.made(small)).
		Setup(step(func(t *testing.T) { processes = lasting.processes(t) })).
		Assess("clients are at work", step(func(t *testing.T) {
			clients = startSteady(t, lasting)
			clients.goesOn(t)
		})).
		Assess("a cluster whose operator is killed as it starts becomes ready", step(func(t *testing.T) {
			midway.apply(t, small+"\n  shards: 4")
			eventually(t, 30*time.Second, func() error {
				if len(midway.podsNow(t)) == 0 {
					return fmt.Errorf("it has no pod")
				}
				return nil
			})
			err := get(t.Context(), midway.namespace, "midway-layout", &corev1.ConfigMap{})
			if !apierrors.IsNotFound(err) {
				t.Logf("the operator was too quick, there is a layout already: %v", err)
			}
			// It has no time to give its lease back: the next one waits until that runs out.
			pod := operatorPod(t)
			if err := syscall.Kill(processOf(t, pod), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			kubectl(t, "delete", "pod", "--namespace", operatorNamespace, pod.Name, "--force", "--grace-period=0")
			midway.isReady(t)
			operatorWorks(t)
		})).
		Assess("an upgrade to another image replaces all nodes", step(func(t *testing.T) {
			before := operatorPod(t)
			clients.during(t, "an upgrade of the operator", func() {
				// The same image by its long name: what nodes run by default changes with it.
				helm(t, append([]string{"upgrade"}, release("--set", "nodeImage=docker.io/library/"+image)...)...)
				operatorWorks(t)
				eventually(t, changeTime, func() error {
					for name := range lasting.podsNow(t) {
						if processes[name] != "" {
							return fmt.Errorf("%s is still there", name)
						}
					}
					return nil
				})
				lasting.comesTo(t, 3, 2)
			})
			if now := operatorPod(t); now.UID == before.UID {
				t.Error("the operator was not replaced: this tests nothing")
			}
			processes = lasting.processes(t)
		})).
		Assess("clients go on without an operator", step(func(t *testing.T) {
			kubectl(t, "scale", "--namespace", operatorNamespace, "deployment/"+operatorName, "--replicas=0")
			kubectl(t, "wait", "--namespace", operatorNamespace, "--for=delete", "pod", "-l", operatorLabel, "--timeout=60s")
			clients.goesOn(t)
		})).
		Assess("and with one that comes back", step(func(t *testing.T) {
			kubectl(t, "scale", "--namespace", operatorNamespace, "deployment/"+operatorName, "--replicas=1")
			operatorWorks(t)
			lasting.says(t, 30*time.Second, "Ready", metav1.ConditionTrue, "Serving")
			clients.goesOn(t)
			clients.stop(t)
			lasting.isAsBefore(t, processes)
		})).
		Teardown(step(func(*testing.T) {
			if clients != nil {
				clients.cancel()
			}
		}))
}

// processes are the containers of a cluster by pod: with each of them goes its memory.
func (c cluster) processes(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for name, p := range c.podsNow(t) {
		for _, s := range p.Status.ContainerStatuses {
			out[name] = s.ContainerID
		}
	}
	return out
}

func (c cluster) isAsBefore(t *testing.T, before map[string]string) {
	t.Helper()
	now := c.processes(t)
	for name, id := range before {
		if now[name] != id || id == "" {
			t.Errorf("%s of %s was restarted: %s is now %s", name, c.name, id, now[name])
		}
	}
}
