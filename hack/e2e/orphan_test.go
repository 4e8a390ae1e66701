package e2e

import (
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// operatorKilled ends the operator and a node in the same moment. What needs that node
// waits for the operator to be back; nothing else does.
func operatorKilled() *features.FeatureBuilder {
	c := cluster{"e2e-orphan", "orphan"}
	nodes := []string{"orphan-0-169", "orphan-85-255", "orphan-170-84"}
	gone := nodes[1]
	return features.New("operator killed").
		Setup(c.made(small)).
		Assess("what it left is put right by the next one", step(func(t *testing.T) {
			status, clients := watchStatus(t, c), startLoad(t, c, nodes, gone)
			clients.keep(t)
			clients.goesOn(t)
			ready := c.watchReadiness(t, gone)
			before, pod, operator := c.incarnations(t)[gone], c.podsNow(t)[gone], operatorPod(t)
			node, author := processOf(t, pod), processOf(t, operator)
			clients.strike(func() {
				for _, pid := range []int{author, node} {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			})
			c.isWhole(t, backTime, nodes, before)
			clients.tell("operator killed")
			ready.check(t)
			clients.goesOn(t)
			clients.neverStopped(t)
			clients.reads(t)
			clients.finish(t)
			if now := operatorPod(t); containerOf(now) == containerOf(operator) {
				t.Error("the operator was not replaced: this tests nothing")
			}
			status.said(t, "Degraded True CopiesMissing", "Slots 85-255 have 1 of 2 copies", gone)
			c.hasEvent(t, corev1.EventTypeWarning, "NodeRestarted", gone+": slots 85-255")
			c.hasEvent(t, corev1.EventTypeNormal, "Recovered", "No copy is missing")
			operatorWorks(t)
		}))
}
