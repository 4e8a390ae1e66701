package node

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
)

// contactGrace is how long a node that serves waits for the first sign of its backups
// before it says that it is ready: one that is down must not hold it up for ever.
const contactGrace = 2 * time.Second

// isolated is for how many seconds a node must have heard of none of the others to say that
// it is not ready: it can answer nothing then.
const isolated = 3

// Ready returns nil if the node serves, else why not.
func (n *Node) Ready() error {
	if n.stopping.Load() {
		return fmt.Errorf("stopping")
	}
	t := n.state.Table()
	if n.goes() {
		return fmt.Errorf("ending: %s", n.endingText())
	}
	if t == nil {
		return fmt.Errorf("no layout yet")
	}
	me := t.Member(n.state.Incarnation())
	switch {
	case me == nil && n.state.Retired():
		return fmt.Errorf("retired: others have taken over, in layout %d; requests are passed on", t.Layout.Epoch)
	case me == nil:
		return fmt.Errorf("not in layout %d", t.Layout.Epoch)
	case me.Phase == layout.Joining || me.Phase == layout.Attached:
		return fmt.Errorf("%s: %s", me.Phase, n.copyingText())
	case me.Phase != layout.Serving:
		return fmt.Errorf("%s", me.Phase)
	}
	if since := time.Since(time.Unix(0, n.servingAt.Load())); since < contactGrace && !n.peers.Contacted() {
		return fmt.Errorf("waiting for a first sign of the other owners")
	}
	if n.isIsolated() {
		return fmt.Errorf("cut off: none of the other owners was heard of for %d s", isolated)
	}
	return nil
}

// endingText says what a node that was told to stop waits for.
func (n *Node) endingText() string {
	if me := n.state.Me(); isNeeded(me) {
		return fmt.Sprintf("%s, until others have taken over", me.Phase)
	}
	return "it has no duties any more"
}

func (n *Node) isIsolated() bool {
	sights := n.peers.Sights()
	limit := (isolated * n.second).Milliseconds()
	return len(sights) > 0 && !slices.ContainsFunc(sights, func(p peer.PeerStatus) bool { return p.Silent < limit })
}

// copyingText says how far a node has come that joins.
func (n *Node) copyingText() string {
	text := fmt.Sprintf("about %d bytes are left to copy", n.copier.Left())
	if stuck := n.copier.Stuck(); stuck != "" {
		text += "; " + stuck
	}
	return text
}

// Status is what the node says of itself.
func (n *Node) Status() peer.Status {
	stats := n.store.Stats()
	s := peer.Status{
		Name: n.state.Name().String(), Range: n.state.Name().Range.String(), Incarnation: n.state.Incarnation(),
		Keys: int64(stats.Keys), Values: int64(stats.Values), KeyBytes: stats.KeyBytes, ValueBytes: stats.ValueBytes,
		MemoryUsed: stats.Used, MemoryLimit: stats.Limit, DedupRatio: dedupRatio(&stats), Ready: true,
		Ending: n.ending.Load(), WaitsFor: n.waitsFor(), Retired: n.state.Retired(), Stuck: n.copier.Stuck(),
	}
	if err := n.Ready(); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	t := n.state.Table()
	if t == nil {
		return s
	}
	s.Cluster, s.Epoch, s.Layout = t.Layout.Cluster, t.Layout.Epoch, hashText(t.Layout)
	s.Purged, s.CopyBytesLeft = n.replica.Purged(), n.copier.Left()
	s.CopyBytesPerSecond, s.CopySecondsLeft = n.copier.Pace()
	states := n.slotStates()
	s.Lease, s.SlotsOwned, s.SlotsComplete, s.SlotsActive = states.lease(), states.owned(), states.complete(), states.active()
	s.SlotsLost = n.replica.Lost()
	s.Segments, s.Peers, s.Joining = n.segments(t, &states, &stats), n.peers.Sights(), n.peers.Joining()
	for i := range t.Layout.Members {
		m := &t.Layout.Members[i]
		ms := peer.MemberStatus{Name: m.Name.String(), Range: m.Name.Range.String(), Address: m.Address, Phase: m.Phase.String()}
		if m.Incarnation == n.state.Incarnation() {
			s.Phase = m.Phase.String()
			yes := true
			ms.Reachable = &yes
		} else if ok, known := n.peers.Reachable(m); known {
			ms.Reachable = &ok
		}
		s.Members = append(s.Members, ms)
	}
	return s
}

// hashText is a layout's hash as it stands in a status.
func hashText(l *layout.Layout) string {
	h := l.Hash()
	return hex.EncodeToString(h[:])
}

// slotStates are how all slots stand at about one moment.
type slotStates [layout.Slots]replica.SlotState

func (n *Node) slotStates() (states slotStates) {
	now := clock.Now()
	for i := range states {
		states[i] = n.replica.State(uint8(i), now)
	}
	return states
}

func (s *slotStates) count(is func(*replica.SlotState) bool) (n int) {
	for i := range s {
		if is(&s[i]) {
			n++
		}
	}
	return n
}

func (s *slotStates) owned() int {
	return s.count(func(st *replica.SlotState) bool { return st.Owner })
}

func (s *slotStates) complete() int {
	return s.count(func(st *replica.SlotState) bool { return st.Owner && st.Complete })
}

func (s *slotStates) active() int {
	return s.count(func(st *replica.SlotState) bool { return st.Active })
}

func (s *slotStates) leased() int {
	return s.count(func(st *replica.SlotState) bool { return st.Leased })
}

// lease says in a word whether the node may answer for what it is the active primary of.
func (s *slotStates) lease() string {
	switch active := s.active(); {
	case active == 0:
		return ""
	case active == s.leased():
		return "held"
	}
	return "lost"
}

// segments says how each segment stands here that this node is or will be an owner of,
// and what it holds of it. All slots of a segment have the same owners, so what is said of
// it must hold for all of them.
func (n *Node) segments(t *layout.Table, states *slotStates, stats *store.Stats) []peer.SegmentStatus {
	me := t.Member(n.state.Incarnation())
	if me == nil {
		return nil
	}
	var out []peer.SegmentStatus
	var last *layout.Owners
	for slot := range layout.Slots {
		owners, st := t.Owners(uint8(slot)), &states[slot]
		mine := me.Name.Range.Contains(uint8(slot))
		if mine && (owners != last || len(out) == 0) {
			out = append(out, peer.SegmentStatus{Lo: uint8(slot), View: st.View, Active: true, Copied: true, Complete: true})
		}
		last = owners
		if mine {
			s := &out[len(out)-1]
			s.Keys += int64(stats.SlotKeys[slot])
			s.Bytes += stats.SlotKeyBytes[slot] + stats.SlotValueBytes[slot]
			s.View = min(s.View, st.View)
			s.Active = s.Active && st.Active && st.View == owners.View
			s.Copied = s.Copied && st.Copied
			s.Complete = s.Complete && st.Owner && st.Complete
		}
	}
	return out
}

// dedupRatio is how many bytes keys refer to for each byte of value stored. A node's
// keys and values are of different slots, so over all nodes it is exact and at each
// about right.
func dedupRatio(s *store.Stats) float64 {
	if s.ValueBytes == 0 {
		return 1
	}
	return float64(s.LogicalBytes) / float64(s.ValueBytes)
}
