// Package member holds what a node knows of its cluster: the newest layout it has
// heard of and its own place in it. A node without a layout serves nothing.
package member

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

var (
	// ErrConflict: there are two layouts of one epoch. One of them is no layout of this
	// cluster's author; the node keeps the one it had (F14).
	ErrConflict = errors.New("two different layouts of one epoch")
	// ErrCluster: the layout is another cluster's.
	ErrCluster = errors.New("the layout belongs to another cluster")
	// ErrRetired: the layout has an incarnation as a member that had been taken out before.
	ErrRetired = errors.New("this incarnation was taken out before")
)

// State is a node's knowledge of its cluster. It is safe for concurrent use.
type State struct {
	name        layout.Name
	incarnation layout.ID
	log         *slog.Logger

	mu      sync.Mutex // held while a layout is adopted, so that adoptions are in order
	hash    [32]byte
	adopted []func(*layout.Table)
	after   []func()
	table   atomic.Pointer[layout.Table]
	retired atomic.Bool
	removed chan struct{}
	gone    bool
}

// New returns the state of a node that has just started: a fresh incarnation that is
// no member of anything.
func New(name layout.Name, log *slog.Logger) *State {
	return &State{name: name, incarnation: layout.NewID(), log: log, removed: make(chan struct{})}
}

// Name is the node's own name.
func (s *State) Name() layout.Name { return s.name }

// Incarnation is this life of the node's process.
func (s *State) Incarnation() layout.ID { return s.incarnation }

// Table is the newest layout, nil if there is none yet.
func (s *State) Table() *layout.Table { return s.table.Load() }

// Epoch is the newest layout's, 0 if there is none yet.
func (s *State) Epoch() uint64 {
	if t := s.table.Load(); t != nil {
		return t.Layout.Epoch
	}
	return 0
}

// Me is this incarnation's place in the newest layout, nil if it has none.
func (s *State) Me() *layout.Member {
	if t := s.table.Load(); t != nil {
		return t.Member(s.incarnation)
	}
	return nil
}

// Hello is how the node introduces itself to peers.
func (s *State) Hello() peer.Hello {
	h := peer.Hello{Incarnation: s.incarnation, Name: s.name.String()}
	if t := s.table.Load(); t != nil {
		h.Cluster = t.Layout.Cluster
	}
	return h
}

// OnAdopt has f called with each layout that is adopted from now on, in order and
// before any request is answered by it. It must not adopt.
func (s *State) OnAdopt(f func(*layout.Table)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopted = append(s.adopted, f)
}

// AfterAdopt has f called after each adoption, when the node's requests carry the new epoch.
// It must not adopt.
func (s *State) AfterAdopt(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.after = append(s.after, f)
}

// Retired tells whether this incarnation was leaving in the layout before the one that no
// longer has it: all its slots were handed over. It has no duties and is no member any more,
// nor ever again, and passes on what it is asked. Whoever missed the layout in which it was
// leaving does not know what became of its slots: it is Removed.
func (s *State) Retired() bool { return s.retired.Load() }

// Routes tells whether this node may pass requests on by the layout: it is, or was until it
// retired, a member of it.
func (s *State) Routes(t *layout.Table) bool { return s.Retired() || t.Member(s.incarnation) != nil }

// Removed is closed when a layout no longer has this incarnation, which was a member and
// was not leaving: its memory is of no use any more, it must start anew (R4).
func (s *State) Removed() <-chan struct{} { return s.removed }

// Gone tells whether Removed is closed.
func (s *State) Gone() bool {
	select {
	case <-s.removed:
		return true
	default:
		return false
	}
}

// Adopt takes over a layout if it is newer than what the node has; an older one is
// passed over. Its errors are ErrConflict, ErrCluster and ErrRetired.
func (s *State) Adopt(l *layout.Layout) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.table.Load()
	if old != nil {
		if newer, err := s.newer(old.Layout, l); !newer {
			return err
		}
	}
	t := layout.NewTable(l)
	me := t.Member(s.incarnation)
	if me != nil && (s.Retired() || old != nil && again(old.Member(s.incarnation), me)) {
		// What it holds is of the past, and it would take it for what it has copied (F12).
		s.end()
		return fmt.Errorf("layout %d: %w", l.Epoch, ErrRetired)
	}
	s.hash = l.Hash()
	for _, f := range s.adopted {
		f(t)
	}
	if me == nil && old != nil {
		s.out(old.Member(s.incarnation)) // before anybody can be told of the layout
	}
	s.table.Store(t)
	for _, f := range s.after {
		f()
	}
	s.log.Info("layout adopted", "epoch", l.Epoch, "members", len(l.Members), "phase", phaseOf(me))
	return nil
}

// again tells whether a member joined another time than the node knows of: it missed the
// layout without it. An author that heard of it long ago took it for one that has nothing.
func again(was, me *layout.Member) bool { return was != nil && was.JoinEpoch != me.JoinEpoch }

// newer tells whether a layout is to be taken over in place of what the node has.
func (s *State) newer(old, l *layout.Layout) (bool, error) {
	switch {
	case l.Cluster != old.Cluster:
		return false, fmt.Errorf("layout %d: %w", l.Epoch, ErrCluster)
	case l.Epoch == old.Epoch && l.Hash() != s.hash:
		s.log.Error("layout refused", "epoch", l.Epoch, "error", ErrConflict)
		return false, fmt.Errorf("layout %d: %w", l.Epoch, ErrConflict)
	}
	return l.Epoch > old.Epoch, nil
}

// out notes that this node is not in a layout. was is its place in the one before.
func (s *State) out(was *layout.Member) {
	switch {
	case was == nil:
	case was.Phase == layout.Leaving:
		s.retired.Store(true)
		s.log.Info("retired: others have all that it had; it passes requests on until it is told to stop")
	default:
		s.end()
	}
}

// end has the node end, or begin anew.
func (s *State) end() {
	if !s.gone {
		s.gone = true
		close(s.removed)
	}
}

func phaseOf(m *layout.Member) string {
	if m == nil {
		return "not a member"
	}
	return m.Phase.String()
}
