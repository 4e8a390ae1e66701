package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/store"
)

// contactGrace is how long a node that serves waits for the first sign of its backups
// before it says that it is ready: one that is down must not hold it up for ever.
const contactGrace = 2 * time.Second

// Ready returns nil if the node serves, else why not.
func (n *Node) Ready() error {
	if n.stopping.Load() {
		return fmt.Errorf("stopping")
	}
	t := n.state.Table()
	if t == nil {
		return fmt.Errorf("no layout yet")
	}
	me := t.Member(n.state.Incarnation())
	switch {
	case me == nil:
		return fmt.Errorf("not in layout %d", t.Layout.Epoch)
	case me.Phase == layout.Joining:
		return fmt.Errorf("joining: requests are passed on to the owners, nothing is held here yet")
	case me.Phase != layout.Serving:
		return fmt.Errorf("%s", me.Phase)
	}
	if since := time.Since(time.Unix(0, n.adoptedAt.Load())); since < contactGrace && !n.peers.Contacted() {
		return fmt.Errorf("waiting for a first sign of the other owners")
	}
	return nil
}

// Status is what the node says of itself.
func (n *Node) Status() peer.Status {
	stats := n.store.Stats()
	s := peer.Status{
		Name: n.state.Name().String(), Range: n.state.Name().Range.String(), Incarnation: n.state.Incarnation(),
		Keys: int64(stats.Keys), Values: int64(stats.Values), KeyBytes: stats.KeyBytes, ValueBytes: stats.ValueBytes,
		MemoryUsed: stats.Used, MemoryLimit: stats.Limit, DedupRatio: dedupRatio(&stats), Ready: true,
	}
	if err := n.Ready(); err != nil {
		s.Ready, s.Reason = false, err.Error()
	}
	t := n.state.Table()
	if t == nil {
		return s
	}
	s.Cluster, s.Epoch = t.Layout.Cluster, t.Layout.Epoch
	s.Segments = n.segments(t, &stats)
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

// segments counts what this node holds of each segment that it is an owner of.
func (n *Node) segments(t *layout.Table, stats *store.Stats) []peer.SegmentStatus {
	var out []peer.SegmentStatus
	var last *layout.Owners
	for slot := range layout.Slots {
		owners := t.Owners(uint8(slot))
		mine := slices.ContainsFunc(owners.Ack, func(m *layout.Member) bool { return m.Incarnation == n.state.Incarnation() })
		if mine && owners != last {
			out = append(out, peer.SegmentStatus{Lo: uint8(slot)})
		}
		last = owners
		if mine {
			s := &out[len(out)-1]
			s.Keys += int64(stats.SlotKeys[slot])
			s.Bytes += stats.SlotKeyBytes[slot] + stats.SlotValueBytes[slot]
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
