package e2e

import (
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

func processKilled() *features.FeatureBuilder {
	return restart("process killed", cluster{"e2e-kill-process", "crash"}, kill)
}

// podForced: nobody says any more what became of its process.
func podForced() *features.FeatureBuilder {
	return restart("pod deleted by force", cluster{"e2e-force-pod", "forced"}, func(t *testing.T, p *corev1.Pod) {
		kubectl(t, "delete", "pod", "--namespace", p.Namespace, p.Name, "--force", "--grace-period=0")
	})
}

// kill ends the process of a pod with no time to say anything.
func kill(t *testing.T, p *corev1.Pod) {
	t.Helper()
	if err := syscall.Kill(processOf(t, p), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// backTime is how long a cluster may take until it is whole again, on a busy machine.
const backTime = 90 * time.Second

// restart ends the process of one node of three, whose memory is lost with it. The others
// have a copy of all, so nothing is lost.
func restart(name string, c cluster, end func(*testing.T, *corev1.Pod)) *features.FeatureBuilder {
	nodes := []string{c.name + "-0-169", c.name + "-85-255", c.name + "-170-84"}
	gone := nodes[1]
	var clients *load
	var status *seen
	return features.New(name).
		Setup(c.made(small)).
		Assess("it is whole again by itself", step(func(t *testing.T) {
			status, clients = watchStatus(t, c), startLoad(t, c, nodes, gone)
			clients.goesOn(t)
			ready := c.watchReadiness(t, gone)
			before, pod := c.incarnations(t)[gone], c.podsNow(t)[gone]
			clients.strike(func() { end(t, pod) })
			c.isWhole(t, backTime, nodes, before)
			clients.tell(name)
			ready.check(t)
			clients.goesOn(t)
			clients.neverStopped(t)
			clients.finish(t)
		})).
		Assess("and told what went on", step(func(t *testing.T) {
			status.said(t, "Degraded True CopiesMissing", "Slots 85-255 have 1 of 2 copies", gone)
			status.said(t, "Progressing True Joining", gone)
			status.said(t, gone+" [joining] ready=false")
			status.said(t, gone+" [attached] ready=false", "takes part in writes")
			status.said(t, "2/3 nodes")
			c.hasEvent(t, corev1.EventTypeWarning, "CopiesMissing", "Slots 85-255", gone)
			c.hasEvent(t, corev1.EventTypeWarning, "NodeRestarted", gone+": slots 85-255")
			c.hasEvent(t, corev1.EventTypeNormal, "Recovered", "No copy is missing")
		}))
}
