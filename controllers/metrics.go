package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	whose = []string{"namespace", "cluster"}

	descEpoch     = prometheus.NewDesc("seppen_cluster_epoch", "Epoch of the cluster's layout, 0 before there is one.", whose, nil)
	descNodes     = prometheus.NewDesc("seppen_cluster_nodes", "Nodes that the cluster has.", whose, nil)
	descReady     = prometheus.NewDesc("seppen_cluster_nodes_ready", "Nodes that serve.", whose, nil)
	descKeys      = prometheus.NewDesc("seppen_cluster_keys", "Keys stored, each counted once.", whose, nil)
	descBytes     = prometheus.NewDesc("seppen_cluster_bytes", "Bytes of keys and values stored, each counted once.", whose, nil)
	descCondition = prometheus.NewDesc("seppen_cluster_condition", "1 if the condition is true, 0 if it is false.",
		append([]string{"type", "reason"}, whose...), nil)
)

// Describe and Collect make the reconciler a collector of metrics: it tells of each
// cluster what its status told last.
func (r *Reconciler) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descEpoch, descNodes, descReady, descKeys, descBytes, descCondition} {
		ch <- d
	}
}

// Collect is described at Describe.
func (r *Reconciler) Collect(ch chan<- prometheus.Metric) {
	r.written.mu.Lock()
	defer r.written.mu.Unlock()
	for key, w := range r.written.all {
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append(labels, key.Namespace, key.Name)...)
		}
		ready := 0
		for i := range w.status.Nodes {
			if w.status.Nodes[i].Ready {
				ready++
			}
		}
		gauge(descEpoch, float64(w.status.Epoch))
		gauge(descNodes, float64(len(w.status.Nodes)))
		gauge(descReady, float64(ready))
		gauge(descKeys, float64(w.status.Keys))
		gauge(descBytes, float64(w.status.Bytes))
		for _, c := range w.status.Conditions {
			v := 0.0
			if c.Status == metav1.ConditionTrue {
				v = 1
			}
			gauge(descCondition, v, c.Type, c.Reason)
		}
	}
}
