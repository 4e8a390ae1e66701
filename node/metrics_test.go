package node

import (
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/wire"
)

// scrape returns the metrics of a node that have no labels.
func (c *cluster) scrape(n *running) map[string]string {
	c.t.Helper()
	resp, err := c.client.Get(n.admin + "/metrics")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^(seppen_\w+) (\S+)$`).FindAllStringSubmatch(string(b), -1) {
		all[m[1]] = m[2]
	}
	for name := range all {
		kind := "gauge"
		if strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		if !strings.Contains(string(b), "\n# TYPE "+name+" "+kind+"\n") {
			c.t.Errorf("%s is no %s", name, kind)
		}
	}
	return all
}

// The names that dashboards and alerts rely on, with what they say of a cluster in several
// states.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1, 2, plenty, func(cfg *Config) { cfg.second = 200 * time.Millisecond })
	c.fill()
	comes := startNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 127}}, plenty, nil)
	scraped := func(n *running, want map[string]string) {
		t.Helper()
		var got map[string]string
		c.eventually(func() bool {
			got = c.scrape(n)
			maps.DeleteFunc(got, func(name, _ string) bool { return want[name] == "" })
			return cmp.Equal(want, got)
		}, "the metrics are right: (-want +last)\n"+cmp.Diff(want, got))
	}
	names := slices.Sorted(maps.Keys(c.scrape(c.nodes[0])))
	for _, name := range []string{
		"keys", "tombstones", "values", "key_bytes", "value_bytes", "logical_bytes", "overhead_bytes", "memory_used_bytes",
		"memory_limit_bytes", "transit_bytes", "transit_limit_bytes", "dedup_ratio", "epoch", "ready", "phase",
		"slots_owned", "slots_complete", "slots_active", "slots_leased", "slots_lost", "copy_bytes_left", "copy_bytes_per_second", "copied_bytes_total",
		"copy_shared_total", "purged_total", "reclaim_waiting", "reclaim_freed_total", "ending", "retired",
	} {
		if !slices.Contains(names, "seppen_"+name) {
			t.Errorf("there is no seppen_%s", name)
		}
	}
	if n := len(gaugeHelp); n != 29 {
		t.Errorf("%d metrics are described", n)
	}
	scraped(c.nodes[0], map[string]string{
		"seppen_keys": "60", "seppen_epoch": "1", "seppen_ready": "1", "seppen_phase": "3", "seppen_slots_owned": "256",
		"seppen_slots_complete": "256", "seppen_slots_active": "128", "seppen_slots_leased": "128", "seppen_slots_lost": "0",
		"seppen_copy_bytes_left": "0",
	})
	scraped(comes, map[string]string{"seppen_keys": "0", "seppen_epoch": "0", "seppen_ready": "0", "seppen_phase": "0", "seppen_slots_owned": "0"})
	c.write(func(d *draft) { d.admit(comes) })
	c.tell(comes)
	c.says(comes, "has copied", copied)
	scraped(comes, map[string]string{"seppen_ready": "0", "seppen_phase": "1", "seppen_slots_owned": "0", "seppen_copy_bytes_left": "0"})
	c.write(func(d *draft) { d.phase(comes, layout.Attached) })
	c.tell(comes)
	scraped(comes, map[string]string{
		"seppen_ready": "0", "seppen_phase": "2", "seppen_slots_owned": "128", "seppen_slots_complete": "128", "seppen_slots_active": "0",
	})
	if c.scrape(comes)["seppen_copied_bytes_total"] == "0" {
		t.Error("nothing was copied")
	}
	c.nodes[1].gate.hold(wire.OpBeat)
	scraped(c.nodes[0], map[string]string{"seppen_slots_active": "128", "seppen_slots_leased": "0"})
	c.nodes[1].gate.open()
	c.write(func(d *draft) { d.phase(comes, layout.Leaving) })
	c.tell(comes)
	scraped(comes, map[string]string{"seppen_ready": "0", "seppen_phase": "4", "seppen_ending": "0", "seppen_retired": "0"})
	c.write(func(d *draft) { d.remove(comes, false) })
	c.tell(comes)
	scraped(comes, map[string]string{"seppen_phase": "0", "seppen_ending": "0", "seppen_retired": "1"})
}
