package member

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/eiri/seppen/api/layout"
)

func example(s *State, epoch uint64, others ...layout.ID) *layout.Layout {
	l := &layout.Layout{Cluster: layout.ID{1}, Epoch: epoch}
	for _, id := range append([]layout.ID{s.Incarnation()}, others...) {
		l.Members = append(l.Members, layout.Member{
			Name: s.Name(), Address: "a:1", Incarnation: id, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	return l
}

func TestAdopt(t *testing.T) {
	s := New(layout.Name{Base: "x", Range: layout.Range{Lo: 0, Hi: 255}}, slog.New(slog.DiscardHandler))
	if s.Table() != nil || s.Epoch() != 0 || s.Me() != nil || s.Hello().Cluster != (layout.ID{}) {
		t.Fatal("a fresh node knows a layout")
	}
	var seen []uint64
	s.OnAdopt(func(t *layout.Table) { seen = append(seen, t.Layout.Epoch) })
	other := example(s, 4)
	other.Cluster = layout.ID{2}
	for _, c := range []struct {
		l    *layout.Layout
		err  error
		want uint64
	}{
		{example(s, 2), nil, 2},
		{example(s, 2), nil, 2},
		{example(s, 2, layout.ID{7}), ErrConflict, 2},
		{example(s, 1), nil, 2},
		{other, ErrCluster, 2},
		{example(s, 3, layout.ID{7}), nil, 3},
	} {
		if err := s.Adopt(c.l); !errors.Is(err, c.err) || s.Epoch() != c.want {
			t.Errorf("epoch %d: %v, now %d", c.l.Epoch, err, s.Epoch())
		}
	}
	if len(seen) != 2 || seen[0] != 2 || seen[1] != 3 {
		t.Errorf("adopted %v", seen)
	}
	if s.Me() == nil {
		t.Error("the node does not find itself")
	}
	gone := example(s, 5, layout.ID{7})
	gone.Members = gone.Members[1:]
	gone.Segments = layout.SegmentsOf(gone.Members, 5)
	if err := s.Adopt(gone); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Removed():
	default:
		t.Error("a removed member was not told")
	}
}
