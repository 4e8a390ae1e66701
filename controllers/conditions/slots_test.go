package conditions

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
)

// What a node says of its slots is taken for what it is: of the layout that it has.
func TestAvailable(t *testing.T) {
	names, err := layout.Names("c", 2, 1)
	check(t, err)
	serving := func(epoch uint64, segments ...layout.Segment) *layout.Layout {
		l := &layout.Layout{Cluster: clusterID, Epoch: epoch, Segments: segments}
		for i, n := range names {
			l.Members = append(l.Members, layout.Member{Name: n, Address: "h:1", Incarnation: life(i, 0), JoinEpoch: 1, Phase: layout.Serving})
		}
		check(t, l.Validate())
		return l
	}
	segment := func(lo uint8, view uint64, owner uint16) layout.Segment {
		return layout.Segment{Lo: lo, View: view, Order: []uint16{owner}}
	}
	says := func(lo uint8, view uint64, active bool) peer.SegmentStatus {
		return peer.SegmentStatus{Lo: lo, View: view, Active: active}
	}
	one := serving(1, segment(0, 1, 0), segment(128, 1, 1))
	for name, tt := range map[string]struct {
		layout *layout.Layout
		epoch  uint64 // that the first node has
		says   []peer.SegmentStatus
		before metav1.ConditionStatus
		want   metav1.ConditionStatus
	}{
		"active":              {one, 1, []peer.SegmentStatus{says(0, 1, true)}, "False", "True"},
		"not active":          {one, 1, []peer.SegmentStatus{says(0, 1, false)}, "True", "False"},
		"says nothing":        {one, 1, nil, "True", "False"},
		"active in old times": {serving(2, segment(0, 2, 0), segment(128, 1, 1)), 2, []peer.SegmentStatus{says(0, 1, true)}, "True", "False"},
		"its segment was cut, which it has not heard of": {
			serving(2, segment(0, 1, 0), segment(40, 1, 0), segment(128, 1, 1)), 1, []peer.SegmentStatus{says(0, 1, true)}, "False", "True",
		},
		"one of its segments": {
			serving(2, segment(0, 1, 0), segment(40, 1, 0), segment(128, 1, 1)), 2, []peer.SegmentStatus{says(0, 1, true), says(40, 1, false)}, "True", "False",
		},
		"the layout is on its way, all was well": {serving(2, segment(0, 2, 0), segment(128, 1, 1)), 1, []peer.SegmentStatus{says(0, 1, true)}, "True", "True"},
		"the layout is on its way, all was not":  {serving(2, segment(0, 2, 0), segment(128, 1, 1)), 1, []peer.SegmentStatus{says(0, 1, true)}, "False", "False"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &Facts{Now: time.Unix(1, 0), Names: names, Layout: tt.layout, Cluster: &v1alpha1.SeppenCluster{}}
			f.Cluster.Status.Conditions = []metav1.Condition{{Type: Ready, Status: tt.before, Reason: SlotsUnavailable}}
			for i, n := range names {
				s := &peer.Status{Cluster: clusterID, Epoch: tt.epoch, Incarnation: life(i, 0), Ready: true, Segments: tt.says}
				if i == 1 {
					s.Segments = []peer.SegmentStatus{says(128, 1, true)}
				}
				f.Nodes = append(f.Nodes, Node{Name: n, Status: s})
			}
			status, _ := Of(f)
			if got := status.Conditions[0]; got.Status != tt.want {
				t.Errorf("%s: %s", got.Status, got.Message)
			}
		})
	}
}
