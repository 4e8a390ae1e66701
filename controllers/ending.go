package controllers

import (
	"time"

	"github.com/eiri/seppen/api/layout"
)

// ending is how long the members have whose end is set. It is the end of their pod's grace period,
// or when the process itself stops waiting, which is earlier: it needs the rest to finish what is in
// flight.
func (w *world) ending() map[layout.ID]time.Duration {
	out := make(map[layout.ID]time.Duration)
	if w.record.Layout == nil {
		return out
	}
	for i := range w.record.Layout.Members {
		m := &w.record.Layout.Members[i]
		if pod := w.pods[m.Name.String()]; pod != nil && m.Home == string(pod.UID) && pod.DeletionTimestamp != nil {
			out[m.Incarnation] = pod.DeletionTimestamp.Sub(w.now)
		}
		s := w.sights[m.Name.String()]
		if s == nil || s.Status == nil || s.Status.Incarnation != m.Incarnation || s.Status.WaitsFor == nil {
			continue
		}
		waits := time.Duration(*s.Status.WaitsFor)*time.Millisecond - s.Age
		if left, known := out[m.Incarnation]; !known || waits < left {
			out[m.Incarnation] = waits
		}
	}
	return out
}
