package placement

import (
	"slices"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/layout"
)

func oneNode(phase layout.Phase) *layout.Layout {
	name := layout.Name{Base: "a", Range: layout.Range{Hi: layout.Slots - 1}}
	members := []layout.Member{{Name: name, Address: "a:1", Incarnation: layout.ID{1}, JoinEpoch: 1, Phase: phase}}
	return &layout.Layout{Cluster: cluster, Epoch: 1, Members: members, Segments: layout.SegmentsOf(members, 1)}
}

// The list of the dead does not grow for ever, and loses the oldest first.
func TestTrimmed(t *testing.T) {
	d := edit(oneNode(layout.Serving))
	d.dead = append(d.dead, layout.ID{1})
	for i := range keepDead + 3 {
		d.dead = append(d.dead, layout.ID{2, byte(i >> 8), byte(i)})
	}
	got := d.layout().Dead
	if len(got) != keepDead+1 || got[0] != (layout.ID{1}) || got[1] != (layout.ID{2, 0, 3}) {
		t.Errorf("%d are listed, the first are %v", len(got), got[:2])
	}
}

// Both parts of a segment that is cut are their own.
func TestCut(t *testing.T) {
	d := edit(oneNode(layout.Serving))
	d.segments[0].order = append(make([]layout.ID, 0, 4), layout.ID{1}, layout.ID{2})
	d.cut(layout.Range{Lo: 200, Hi: 99})
	var los []uint8
	for _, g := range d.segments {
		los = append(los, g.Lo)
	}
	if !slices.Equal(los, []uint8{0, 100, 200}) {
		t.Errorf("cut at %v", los)
	}
	d.segments[0].drop(layout.ID{1})
	if got := d.segments[1].order; !slices.Equal(got, []layout.ID{{1}, {2}}) {
		t.Errorf("the other part lost an owner: %v", got)
	}
}

// A layout that has nobody with everything, though nothing was given up, is none of
// ours; whoever wrote it, nobody is taken to have everything.
func TestNobodyServes(t *testing.T) {
	l := oneNode(layout.Attached)
	w := World{Seen: []Observation{{Name: l.Members[0].Name, Address: "a:1", Incarnation: layout.ID{1}, Cluster: cluster, Epoch: 1}}}
	if next, why := Next(cluster, l, l.Names(), w); next != nil {
		t.Errorf("a step: %s", why)
	}
}

func TestWrongCluster(t *testing.T) {
	if next, why := Next(layout.ID{0xd}, oneNode(layout.Serving), nil, World{}); next != nil || !strings.Contains(why, "not of") {
		t.Errorf("another cluster's layout: %v, %q", next, why)
	}
	if next, why := Next(cluster, nil, nil, World{}); next != nil || !strings.Contains(why, "no members") {
		t.Errorf("no names: %v, %q", next, why)
	}
}
