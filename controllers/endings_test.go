package controllers

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/controllers/internal/fakenode"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/roster"
)

// A kubelet reports the end of a container after a process was last heard. It is that of the process
// if nothing runs there and nobody else hears it.
func TestReportedEnds(t *testing.T) {
	ended := func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "seppen", RestartCount: 1, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 7, ContainerID: "fake://1"}},
		}}
	}
	runs := func(p *corev1.Pod) {
		ended(p)
		p.Status.ContainerStatuses[0].State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	}
	over := func(p *corev1.Pod) {
		ended(p)
		p.Status.Phase = corev1.PodFailed
		p.Status.ContainerStatuses[0].State = p.Status.ContainerStatuses[0].LastTerminationState
	}
	for name, tt := range map[string]struct {
		report func(p *corev1.Pod)
		silent int64 // to another node, in milliseconds
		want   bool
	}{
		"nothing runs": {ended, 1300, true},
		"nothing runs, and another node hears it": {ended, 1100, false},
		"one runs":                          {runs, 1300, false},
		"the pod is over, whoever hears it": {over, 1100, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeathbed(t)
			n := fakenode.Start(t, "snow-0-255", "127.0.0.1:0", "snowflake")
			d.meets(t, n)
			m := &d.w.record.Layout.Members[0]
			m.Incarnation = n.Incarnation()
			kubetest.Eventually(t, func() error {
				if d.w.roster.Answered(m.Incarnation).IsZero() {
					return errors.New("it has not answered yet")
				}
				return nil
			})
			d.r.homes.Hear(d.pod.UID, m.Incarnation, time.Now())
			n.Stop()
			tt.report(d.pod)
			d.r.homes.See(client.ObjectKeyFromObject(d.w.cluster), d.pod, time.Now().Add(time.Minute))
			d.w.sights = map[string]*roster.Sight{"snow-85-84": {Status: &peer.Status{
				Incarnation: layout.ID{2}, Peers: []peer.PeerStatus{{Incarnation: m.Incarnation, Silent: tt.silent}},
			}}}
			if err := d.r.observeDeaths(t.Context(), d.w); err != nil {
				t.Fatal(err)
			}
			if got := d.w.dead[m.Incarnation]; (got != "") != tt.want {
				t.Errorf("%q", got)
			}
		})
	}
}
