package rest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	o := quiet()
	o.Metrics = NewMetrics(reg)
	h := New(newModel(), o)
	for range 2 {
		request(h, "PUT", "/k", "value")
		request(h, "GET", "/k", "")
		request(h, "GET", "/", "")
		request(h, "BREW", "/", "")
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	want := map[string]float64{
		"seppen_http_requests_total 201 PUT":         1,
		"seppen_http_requests_total 204 PUT":         1,
		"seppen_http_requests_total 200 GET":         2,
		"seppen_http_requests_total 200 LIST":        2,
		"seppen_http_requests_total 405 OTHER":       2,
		"seppen_http_request_duration_seconds PUT":   2,
		"seppen_http_request_duration_seconds GET":   2,
		"seppen_http_request_duration_seconds LIST":  2,
		"seppen_http_request_duration_seconds OTHER": 2,

		"seppen_http_request_duration_seconds HEAD":   0,
		"seppen_http_request_duration_seconds DELETE": 0,
		"seppen_http_requests_in_flight":              0,
		"seppen_http_received_bytes_total":            10,
		"seppen_http_sent_bytes_total":                12,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
