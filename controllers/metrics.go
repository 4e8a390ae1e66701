package controllers

import "github.com/prometheus/client_golang/prometheus"

var (
	whose = []string{"namespace", "cluster"}

	descEpoch     = prometheus.NewDesc("seppen_cluster_epoch", "Epoch of the cluster's layout, 0 before there is one.", whose, nil)
	descNodes     = prometheus.NewDesc("seppen_cluster_nodes", "Nodes that the cluster has.", whose, nil)
	descReady     = prometheus.NewDesc("seppen_cluster_nodes_ready", "Nodes that serve.", whose, nil)
	descKeys      = prometheus.NewDesc("seppen_cluster_keys", "Keys stored, each counted once.", whose, nil)
	descBytes     = prometheus.NewDesc("seppen_cluster_bytes", "Bytes of keys and values stored, each counted once.", whose, nil)
	descCondition = prometheus.NewDesc("seppen_cluster_condition", "1 for the status (True, False or Unknown) and reason that a condition has.",
		append([]string{"type", "status", "reason"}, whose...), nil)
)

// Describe and Collect make the reconciler a collector of metrics: it tells of each
// cluster what was found out of it last.
func (r *Reconciler) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descEpoch, descNodes, descReady, descKeys, descBytes, descCondition} {
		ch <- d
	}
}

// Collect is described at Describe.
func (r *Reconciler) Collect(ch chan<- prometheus.Metric) {
	r.written.mu.Lock()
	defer r.written.mu.Unlock()
	for key, status := range r.written.told {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append(labels, key.Namespace, key.Name)...)
		}
		ready := 0
		for i := range status.Nodes {
			if status.Nodes[i].Ready {
				ready++
			}
		}
		gauge(descEpoch, float64(status.Epoch))
		gauge(descNodes, float64(len(status.Nodes)))
		gauge(descReady, float64(ready))
		gauge(descKeys, float64(status.Keys))
		gauge(descBytes, float64(status.Bytes))
		for _, c := range status.Conditions {
			gauge(descCondition, 1, c.Type, string(c.Status), c.Reason)
		}
	}
}
