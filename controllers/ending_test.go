package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
)

// A member has time until its pod's grace period ends, or until its process waits no longer:
// that comes first, as it needs the rest to finish what is in flight.
func TestTimeThatIsLeft(t *testing.T) {
	const never = time.Duration(-1 << 63)
	deleted := func(left time.Duration) func(w *world) {
		return func(w *world) {
			w.pods["snow-0-255"].DeletionTimestamp = new(metav1.NewTime(someTime.Add(left)))
		}
	}
	waits := func(left time.Duration) func(w *world) {
		return func(w *world) { w.sights["snow-0-255"].Status.WaitsFor = new(left.Milliseconds()) }
	}
	for name, tt := range map[string]struct {
		changes []func(w *world)
		want    time.Duration
	}{
		"all is well":                             {nil, never},
		"its pod is being deleted":                {[]func(*world){deleted(40 * time.Second)}, 40 * time.Second},
		"another pod is being deleted":            {[]func(*world){deleted(time.Second), func(w *world) { w.pods["snow-0-255"].UID = "another" }}, never},
		"it waits for less":                       {[]func(*world){deleted(40 * time.Second), waits(10 * time.Second)}, 10 * time.Second},
		"it waits for longer":                     {[]func(*world){deleted(4 * time.Second), waits(10 * time.Second)}, 4 * time.Second},
		"it was told to stop, its pod stays":      {[]func(*world){waits(10 * time.Second)}, 10 * time.Second},
		"it waits no longer":                      {[]func(*world){deleted(40 * time.Second), waits(0)}, 0},
		"it said so a while ago":                  {[]func(*world){waits(10 * time.Second), func(w *world) { w.sights["snow-0-255"].Age = 2 * time.Second }}, 8 * time.Second},
		"another process says so":                 {[]func(*world){waits(time.Second), func(w *world) { w.sights["snow-0-255"].Status.Incarnation = layout.ID{9} }}, never},
		"it does not answer, it is being deleted": {[]func(*world){deleted(time.Second), func(w *world) { w.sights["snow-0-255"].Status = nil }}, time.Second},
	} {
		w := single(layout.Serving)
		w.now = someTime
		for _, change := range tt.changes {
			change(w)
		}
		got, known := w.ending()[layout.ID{2}]
		if !known {
			got = never
		}
		if got != tt.want {
			t.Errorf("%s: %v, not %v", name, got, tt.want)
		}
	}
}
