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

// without is the layout in which only another member is left.
func without(s *State, epoch uint64) *layout.Layout {
	l := example(s, epoch, layout.ID{7})
	l.Members = l.Members[1:]
	l.Segments = layout.SegmentsOf(l.Members, epoch)
	return l
}

// Who was leaving retires, and never comes back as it is. Who did not know of it is removed.
func TestRetired(t *testing.T) {
	as := func(p layout.Phase) func(*State, uint64) *layout.Layout {
		return func(s *State, epoch uint64) *layout.Layout {
			l := example(s, epoch, layout.ID{7})
			l.Members[0].Phase = p
			l.Segments = layout.SegmentsOf(l.Members, epoch)
			return l
		}
	}
	serving, leaving := as(layout.Serving), as(layout.Leaving)
	anew := func(s *State, epoch uint64) *layout.Layout {
		l := as(layout.Joining)(s, epoch)
		l.Members[0].JoinEpoch = epoch
		return l
	}
	type steps []func(*State, uint64) *layout.Layout
	for name, c := range map[string]struct {
		steps                 steps
		retired, gone, routes bool
	}{
		"not a member yet":        {steps{without}, false, false, false},
		"serving":                 {steps{serving}, false, false, true},
		"leaving":                 {steps{serving, leaving}, false, false, true},
		"left":                    {steps{serving, leaving, without}, true, false, true},
		"left long ago":           {steps{leaving, without, without}, true, false, true},
		"removed":                 {steps{serving, without}, false, true, false},
		"removed while joining":   {steps{as(layout.Joining), without}, false, true, false},
		"removed while attached":  {steps{as(layout.Attached), without}, false, true, false},
		"left, and then stayed":   {steps{leaving, serving}, false, false, true},
		"stayed, and was removed": {steps{leaving, serving, without}, false, true, false},
		"a member again, and it missed that it was removed": {steps{serving, anew}, false, true, true},
		"a member that was none before":                     {steps{without, anew}, false, false, true},
		"a member again after it left":                      {steps{leaving, without, as(layout.Joining)}, true, true, true},
	} {
		s := New(layout.Name{Base: "x", Range: layout.Range{Lo: 0, Hi: 255}}, slog.New(slog.DiscardHandler))
		var last *layout.Layout
		s.OnAdopt(func(t *layout.Table) { last = t.Layout })
		var err error
		for i, step := range c.steps {
			err = s.Adopt(step(s, uint64(i+1)))
		}
		if s.Retired() != c.retired || s.Gone() != c.gone || s.Routes(s.Table()) != c.routes {
			t.Errorf("%s: retired %v, gone %v, routes %v", name, s.Retired(), s.Gone(), s.Routes(s.Table()))
		}
		again := c.gone && c.routes
		if again != errors.Is(err, ErrRetired) || again && last.Epoch == uint64(len(c.steps)) {
			t.Errorf("%s: %v, and follows layout %d", name, err, last.Epoch)
		}
	}
}
