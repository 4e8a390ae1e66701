package node

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/peers"
)

// newRegistry returns a registry with the metrics of the process.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector())
	return r
}

// peerMetrics count the calls to other nodes.
type peerMetrics struct {
	took   map[string]prometheus.Observer // by operation: looked up for every call
	errors *prometheus.CounterVec
}

func newPeerMetrics(reg prometheus.Registerer) *peerMetrics {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "seppen_peer_call_duration_seconds", Help: "Calls to other nodes by operation, with the time they took.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 4, 10), NativeHistogramBucketFactor: 1.1,
	}, []string{"operation"})
	m := &peerMetrics{
		took: make(map[string]prometheus.Observer),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "seppen_peer_call_errors_total", Help: "Calls to other nodes that failed, by operation and reason.",
		}, []string{"operation", "reason"}),
	}
	for _, op := range peers.Operations() {
		m.took[op] = took.WithLabelValues(op)
	}
	reg.MustRegister(took, m.errors)
	return m
}

// PeerCall implements peers.Observer. Answers such as "no such key" are no failures.
func (m *peerMetrics) PeerCall(op string, err error, took time.Duration) {
	m.took[op].Observe(took.Seconds())
	var reason string
	switch {
	case errors.Is(err, peers.ErrMoved):
		reason = "moved"
	case errors.Is(err, peers.ErrCorrupt):
		reason = "corrupt"
	case errors.Is(err, kv.ErrUnknown):
		reason = "unknown"
	case errors.Is(err, kv.ErrUnavailable):
		reason = "unavailable"
	case errors.Is(err, kv.ErrNoMemory):
		reason = "no_memory"
	default:
		return
	}
	m.errors.WithLabelValues(op, reason).Inc()
}

// gauges are what the store and the layout say at the moment of a scrape.
type gauges struct {
	n     *Node
	descs map[string]*prometheus.Desc
}

var gaugeHelp = map[string]string{
	"keys":                  "Keys held by this node, copies included.",
	"tombstones":            "Deletes that may not be forgotten yet.",
	"values":                "Values held by this node, each once.",
	"key_bytes":             "Bytes of the keys.",
	"value_bytes":           "Bytes of the values, each counted once.",
	"logical_bytes":         "Bytes of the values, counted once for each key.",
	"overhead_bytes":        "Memory of the store that is neither keys' nor values' bytes.",
	"memory_used_bytes":     "Memory of the store in use.",
	"memory_limit_bytes":    "Memory that the store may use.",
	"transit_bytes":         "Memory of values that pass through this node.",
	"transit_limit_bytes":   "Memory that values passing through may use.",
	"dedup_ratio":           "Bytes that keys refer to for each byte of values they could share, at this node.",
	"epoch":                 "Epoch of the newest layout, 0 without one.",
	"ready":                 "1 if the node serves.",
	"phase":                 "Phase of the node in its layout: 0 not a member, 1 joining, 2 attached, 3 serving, 4 leaving.",
	"ending":                "1 if the process was told to stop; it goes on until others have taken over what it holds.",
	"retired":               "1 if others have taken over all that the node held: it is no member any more and passes requests on.",
	"slots_owned":           "Slots that the node is an owner of.",
	"slots_complete":        "Slots that the node owns and has everything of.",
	"slots_active":          "Slots that the node is the active primary of.",
	"slots_leased":          "Slots that the node is the active primary of and holds the leases for: it answers reads of them.",
	"slots_lost":            "Slots that the layout has given up because all their copies died, until all traces of that are gone.",
	"copy_bytes_left":       "About how many bytes are still to be copied to the node that joins.",
	"copy_bytes_per_second": "Bytes of values copied to the node in a second, over the last ten.",
	"copied_bytes_total":    "Bytes of values copied to the node since it started.",
	"copy_shared_total":     "Values that a joining node did not need to copy because it had them.",
	"purged_total":          "Keys removed because all copies of their values died.",
	"reclaim_waiting":       "Values that wait for the check whether a key refers to them.",
	"reclaim_freed_total":   "Values freed because no key referred to them.",
}

func newGauges(n *Node) *gauges {
	g := &gauges{n: n, descs: make(map[string]*prometheus.Desc)}
	for name, help := range gaugeHelp {
		g.descs[name] = prometheus.NewDesc("seppen_"+name, help, nil, nil)
	}
	return g
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	for name, v := range g.n.figures() {
		kind := prometheus.GaugeValue
		if strings.HasSuffix(name, "_total") {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(g.descs[name], kind, v)
	}
}

func (n *Node) figures() map[string]float64 {
	s, states, copied := n.store.Stats(), n.slotStates(), n.copier.Progress()
	copyRate, _ := n.copier.Pace()
	phase := 0.0
	if me := n.state.Me(); me != nil {
		phase = float64(me.Phase)
	}
	return map[string]float64{
		"keys": float64(s.Keys), "tombstones": float64(s.Tombstones), "values": float64(s.Values),
		"key_bytes": float64(s.KeyBytes), "value_bytes": float64(s.ValueBytes), "logical_bytes": float64(s.LogicalBytes),
		"overhead_bytes": float64(s.Overhead), "memory_used_bytes": float64(s.Used), "memory_limit_bytes": float64(s.Limit),
		"transit_bytes": float64(s.Transit), "transit_limit_bytes": float64(s.TransitLimit),
		"dedup_ratio": dedupRatio(&s), "epoch": float64(n.state.Epoch()), "ready": one(n.Ready() == nil), "phase": phase,
		"ending": one(n.ending.Load()), "retired": one(n.state.Retired()),
		"slots_owned": float64(states.owned()), "slots_complete": float64(states.complete()),
		"slots_active": float64(states.active()), "slots_leased": float64(states.leased()), "slots_lost": float64(n.replica.Lost()),
		"copy_bytes_left": float64(n.copier.Left()), "copy_bytes_per_second": float64(copyRate), "copied_bytes_total": float64(copied.Bytes), "copy_shared_total": float64(copied.Here),
		"purged_total":    float64(n.purge.Removed()),
		"reclaim_waiting": float64(n.reclaim.Waiting()), "reclaim_freed_total": float64(n.reclaim.Freed()),
	}
}

// one is a yes as a metric.
func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
