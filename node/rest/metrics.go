package rest

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// op is what a request is counted as: its method, but lists apart from values.
type op uint8

const (
	opOther op = iota
	opGet
	opHead
	opPut
	opDelete
	opList
	ops
)

var opNames = [ops]string{"OTHER", "GET", "HEAD", "PUT", "DELETE", "LIST"}

func opOf(r *http.Request) op {
	switch r.Method {
	case http.MethodGet:
		if r.URL.Path == "/" || r.URL.Path == "" {
			return opList
		}
		return opGet
	case http.MethodHead:
		return opHead
	case http.MethodPut:
		return opPut
	case http.MethodDelete:
		return opDelete
	}
	return opOther
}

// Metrics counts the requests of one handler.
type Metrics struct {
	inFlight       atomic.Int64
	received, sent prometheus.Counter
	requests       *prometheus.CounterVec
	seconds        [ops]prometheus.Observer
	// byStatus are the children of requests, resolved at their first use: a look-up
	// by labels for each request would cost more than all the counting.
	byStatus [ops][600]atomic.Pointer[prometheus.Counter]
}

// NewMetrics returns metrics registered with reg, or with none if reg is nil. It
// panics if they are registered already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "seppen_http_requests_total",
			Help: "Requests by method (LIST: GET of the list) and status code (aborted: broken off after the header).",
		}, []string{"method", "code"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "seppen_http_received_bytes_total",
			Help: "Bytes of request bodies that were read.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "seppen_http_sent_bytes_total",
			Help: "Bytes of response bodies.",
		}),
	}
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "seppen_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10},

		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, []string{"method"})
	for i, name := range opNames {
		m.seconds[i] = seconds.WithLabelValues(name)
	}
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "seppen_http_requests_in_flight",
		Help: "Requests that are being served.",
	}, func() float64 { return float64(m.inFlight.Load()) })
	if reg != nil {
		reg.MustRegister(m.requests, m.received, m.sent, seconds, inFlight)
	}
	return m
}

// observe counts an answer that has ended.
func (m *Metrics) observe(a *answer, aborted bool) {
	m.inFlight.Add(-1)
	m.seconds[a.op].Observe(time.Since(a.start).Seconds())
	if a.in.n > 0 {
		m.received.Add(float64(a.in.n))
	}
	if a.sent > 0 {
		m.sent.Add(float64(a.sent))
	}
	status := a.status
	if aborted {
		status = 0
	}
	m.counter(a.op, status).Inc()
}

func (m *Metrics) counter(o op, status int) prometheus.Counter {
	cell := &m.byStatus[o][status]
	if c := cell.Load(); c != nil {
		return *c
	}
	code := "aborted"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	c := m.requests.WithLabelValues(opNames[o], code)
	cell.Store(&c)
	return c
}
