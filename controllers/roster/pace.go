package roster

import (
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/controllers/placement"
)

const (
	// pingEvery is how often a word is had from each node, so that the end of a machine,
	// which closes no connection, is noticed.
	pingEvery   = 400 * time.Millisecond
	pingTimeout = time.Second

	// pollUnderway is how often a node is asked how it is while that matters to what comes
	// next, pollQuiet how often otherwise, so that its figures are fresh.
	pollUnderway = 200 * time.Millisecond
	pollQuiet    = 2 * time.Second

	// After so long without news of a node it is asked less often, whatever is under way.
	patience = 30 * time.Second
	// For so long all nodes are asked often after somebody fell silent or a step was taken.
	hurry = 10 * time.Second
)

// pace is how long a node need not be asked again.
func (l *link) pace(now time.Time) time.Duration {
	l.roster.mu.Lock()
	defer l.roster.mu.Unlock()
	if now.Before(l.roster.hurryUntil) || l.status != nil && now.Sub(l.changed) < patience && l.roster.unsettled(l.status) {
		return pollUnderway
	}
	return pollQuiet
}

// unsettled tells whether something of a node is still to come.
func (r *Roster) unsettled(s *peer.Status) bool {
	if !s.Ready || r.durable == nil || s.Epoch != r.durable.Epoch {
		return true
	}
	for i := range s.Segments {
		g := &s.Segments[i]
		if !g.Complete || !g.Active && slices.Contains(r.primaries[s.Incarnation], g.Lo) {
			return true
		}
	}
	return len(unreached(s)) > 0
}

// primaries are the segments that members are the primary of.
func primaries(l *layout.Layout) map[layout.ID][]uint8 {
	table := layout.NewTable(l)
	out := make(map[layout.ID][]uint8)
	for i := range l.Segments {
		lo := l.Segments[i].Lo
		if p := table.Owners(lo).Primary; p != nil {
			out[p.Incarnation] = append(out[p.Incarnation], lo)
		}
	}
	return out
}

// isNews tells whether a node says something else than before, other than figures: what
// the next layout depends on, or what people are told.
func isNews(before, now *peer.Status) bool {
	if before == nil || before.Incarnation != now.Incarnation || before.Cluster != now.Cluster ||
		before.Epoch != now.Epoch || before.Layout != now.Layout || before.Phase != now.Phase ||
		before.Ready != now.Ready || before.Reason != now.Reason || before.Purged != now.Purged ||
		before.Ending != now.Ending || before.Retired != now.Retired {
		return true
	}
	same := func(a, b peer.SegmentStatus) bool {
		return a.Lo == b.Lo && a.View == b.View && a.Active == b.Active && a.Copied == b.Copied && a.Complete == b.Complete
	}
	return !slices.EqualFunc(before.Segments, now.Segments, same) || !slices.Equal(complaints(before), complaints(now)) ||
		!slices.Equal(unreached(before), unreached(now))
}

// complaints are the peers that a node has not heard of for too long.
func complaints(s *peer.Status) []layout.ID {
	var out []layout.ID
	for _, p := range s.Peers {
		if time.Duration(p.Silent)*time.Millisecond >= placement.SuspectAfter {
			out = append(out, p.Incarnation)
		}
	}
	slices.SortFunc(out, func(a, b layout.ID) int { return slices.Compare(a[:], b[:]) })
	return out
}

// unreached are the joining members that a node has not heard of since they joined, or of late:
// it matters to what comes next when it does.
func unreached(s *peer.Status) []layout.ID {
	var out []layout.ID
	for i := range s.Joining {
		if !s.Joining[i].Within(placement.SuspectAfter) {
			out = append(out, s.Joining[i].Incarnation)
		}
	}
	slices.SortFunc(out, func(a, b layout.ID) int { return slices.Compare(a[:], b[:]) })
	return out
}
