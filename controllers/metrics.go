package controllers

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eiri/seppen/api/layout"
)

var (
	whose = []string{"namespace", "cluster"}

	descEpoch     = prometheus.NewDesc("seppen_cluster_epoch", "Epoch of the cluster's layout, 0 before there is one.", whose, nil)
	descNodes     = prometheus.NewDesc("seppen_cluster_nodes", "Nodes that the cluster has.", whose, nil)
	descState     = prometheus.NewDesc("seppen_operator_nodes", "Nodes that stay, and those that go as soon as others have what they hold.", append([]string{"state"}, whose...), nil)
	descReady     = prometheus.NewDesc("seppen_cluster_nodes_ready", "Nodes that serve.", whose, nil)
	descMembers   = prometheus.NewDesc("seppen_cluster_members", "Members of the cluster's layout in each phase.", append([]string{"phase"}, whose...), nil)
	descMissing   = prometheus.NewDesc("seppen_cluster_missing_copies", "Copies of slots that are missing, of 256 for each of spec.copies.", whose, nil)
	descLost      = prometheus.NewDesc("seppen_cluster_lost_slots", "Slots all copies of which were lost, until somebody has seen it.", whose, nil)
	descKeys      = prometheus.NewDesc("seppen_cluster_keys", "Keys stored, each counted once.", whose, nil)
	descBytes     = prometheus.NewDesc("seppen_cluster_bytes", "Bytes of keys and values stored, each counted once.", whose, nil)
	descCondition = prometheus.NewDesc("seppen_cluster_condition", "1 for the status (True, False or Unknown) and reason that a condition has.",
		append([]string{"type", "status", "reason"}, whose...), nil)
)

// Describe and Collect make the reconciler a collector of metrics: it tells of each
// cluster what was found out of it last.
func (r *Reconciler) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descEpoch, descNodes, descState, descReady, descMembers, descMissing, descLost, descKeys, descBytes, descCondition} {
		ch <- d
	}
}

// Collect is described at Describe.
func (r *Reconciler) Collect(ch chan<- prometheus.Metric) {
	r.written.mu.Lock()
	defer r.written.mu.Unlock()
	for key, told := range r.written.told {
		status := &told.status
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append(labels, key.Namespace, key.Name)...)
		}
		ready, going := 0, 0
		for i := range status.Nodes {
			if status.Nodes[i].Retiring {
				going++
			}
			if status.Nodes[i].Ready {
				ready++
			}
		}
		gauge(descEpoch, float64(status.Epoch))
		gauge(descNodes, float64(len(status.Nodes)))
		gauge(descState, float64(len(status.Nodes)-going), "stay")
		gauge(descState, float64(going), "go")
		gauge(descReady, float64(ready))
		for _, phase := range []layout.Phase{layout.Joining, layout.Attached, layout.Serving, layout.Leaving} {
			gauge(descMembers, float64(told.members[phase]), phase.String())
		}
		gauge(descMissing, float64(status.MissingCopies))
		gauge(descLost, float64(told.lost))
		gauge(descKeys, float64(status.Keys))
		gauge(descBytes, float64(status.Bytes))
		for _, c := range status.Conditions {
			gauge(descCondition, 1, c.Type, string(c.Status), c.Reason)
		}
	}
}
