package e2e

import (
	"net/http"
	"testing"
	"time"

	"sigs.k8s.io/e2e-framework/pkg/features"
)

// handWrittenRanges are nodes of several names and sizes in one cluster.
func handWrittenRanges() *features.FeatureBuilder {
	c := cluster{"e2e-ranges", "by-hand"}
	return features.New("ranges by hand").
		Setup(c.made(small+"\n  ranges: [a-0-169, b-85-255, c-170-84]")).
		Assess("pods are called so", step(func(t *testing.T) {
			eventually(t, 10*time.Second, func() error { return c.hasPods(t.Context(), "a-0-169", "b-85-255", "c-170-84") })
		})).
		Assess("they are one store", step(func(t *testing.T) {
			pods := c.podsNow(t)
			at(pods["a-0-169"]).must(t, http.StatusCreated, "PUT", "/hand", "written")
			for name, p := range pods {
				if got := at(p).must(t, http.StatusOK, "GET", "/hand", "").body; got != "written" {
					t.Errorf("%s has %q", name, got)
				}
			}
		}))
}
