package controllers

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/controllers/internal/fakenode"
	"github.com/eiri/seppen/controllers/internal/kubetest"
	"github.com/eiri/seppen/controllers/roster"
)

// Another process in the pod of a member proves that the member is dead: if it answers now,
// and the address that it answers at is the pod's.
func TestReplaced(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, d *deathbed, n *fakenode.Node)
		want   bool
	}{
		"another process": {func(*testing.T, *deathbed, *fakenode.Node) {}, true},
		"the same process": {func(_ *testing.T, d *deathbed, n *fakenode.Node) {
			d.w.record.Layout.Members[0].Incarnation = n.Incarnation()
			d.w.sights["snow-0-255"].Status.Incarnation = layout.ID{7} // of old
		}, false},
		"it does not answer any more": {func(_ *testing.T, _ *deathbed, n *fakenode.Node) { n.Hide() }, false},
		"it has ended too":            {func(_ *testing.T, _ *deathbed, n *fakenode.Node) { n.Stop() }, false},
		"in another pod":              {func(_ *testing.T, d *deathbed, _ *fakenode.Node) { d.w.record.Layout.Members[0].Home = "another" }, false},
		"the address is another pod's by now": {func(t *testing.T, d *deathbed, _ *fakenode.Node) {
			d.has(t, "10.9.8.7")
		}, false},
		"the pod is gone": {func(t *testing.T, d *deathbed, _ *fakenode.Node) {
			if err := d.r.Client.Delete(t.Context(), d.pod, client.GracePeriodSeconds(0)); err != nil {
				t.Fatal(err)
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeathbed(t)
			d.has(t, "127.0.0.1")
			n := fakenode.Start(t, "snow-0-255", "127.0.0.1:0", "snowflake")
			d.meets(t, n)
			tt.change(t, d, n)
			if err := d.r.observeDeaths(t.Context(), d.w); err != nil {
				t.Fatal(err)
			}
			got := d.w.dead[d.w.record.Layout.Members[0].Incarnation]
			if tt.want != strings.Contains(got, "another process") || tt.want != (got != "") {
				t.Errorf("%q", got)
			}
		})
	}
}

// has gives the pod an address.
func (d *deathbed) has(t *testing.T, ip string) {
	t.Helper()
	d.pod.Status.PodIP = ip
	if err := d.r.Client.Status().Update(t.Context(), d.pod); err != nil {
		t.Fatal(err)
	}
}

// meets has the operator connect to a process in the pod and see it.
func (d *deathbed) meets(t *testing.T, n *fakenode.Node) {
	t.Helper()
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(n.Address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	d.w.roster = roster.New(layout.ID{9}, secret.PeerKey(), func() {})
	t.Cleanup(d.w.roster.Stop)
	d.w.roster.Watch([]roster.Target{{Name: d.w.record.Layout.Members[0].Name, Pod: string(d.pod.UID), IP: "127.0.0.1", Port: int32(number)}})
	kubetest.Eventually(t, func() error {
		seen := d.w.roster.Look()
		if seen[0].Status == nil {
			return fmt.Errorf("it does not answer: %w", seen[0].Err)
		}
		d.w.sights["snow-0-255"] = &seen[0]
		return nil
	})
}
