// Package placement decides who is a member of a cluster. It is pure: no network, no
// clock. Next takes what should be (the names), what is written (the layout) and what
// is seen (the observations), and returns the one next layout, or nothing:
//
//	no layout, every name alive and empty  →  epoch 1, all serving       (bootstrap)
//	a member's name, another incarnation   →  epoch+1, it joins          (rejoin)
//	anything else                          →  nothing, with a reason
//
// What holds after every step: the layout is valid (I7), its epoch is one higher
// (I6), and a rejoin leaves every segment as it was, with its owners, their order and
// its view. A process that comes back is empty, so it must not get its predecessor's
// place by having its name (I3); the predecessor keeps it, dead as it is, until
// failover gives it to somebody who has the data.
//
// Whoever calls Next makes the result durable before a node hears of it (I6).
package placement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// Observation is a node that answers, and what it says of itself.
type Observation struct {
	Name        layout.Name
	Address     string // of its peer port, host:port
	Home        string // see layout.Member
	Incarnation layout.ID
	Cluster     layout.ID // zero: none yet
	Epoch       uint64    // of the layout it has, 0: none yet
	Layout      string    // that layout's hash, as in peer.Status; empty: unknown
	Purged      uint64    // see peer.Status
	Segments    []peer.SegmentStatus
	Peers       []peer.PeerStatus
}

// World is what the author sees.
type World struct {
	Seen []Observation
	// Silent is for how long members have not answered the author. Members that do not
	// stand here answer, or have not been asked for long enough to say.
	Silent map[layout.ID]time.Duration
	// Dead are incarnations whose processes are proven to have ended. Whoever says so has
	// checked it after the layout was read.
	Dead []layout.ID
}

// SuspectAfter is for how long a member must be silent to be suspected.
const SuspectAfter = 1200 * time.Millisecond

// Next returns the next layout of a cluster with these names, and why, or nil and what
// stands in the way; nil and "" means that all is as it should be. Neither current,
// nil where there is no layout yet, nor what was seen is changed. The result shares
// current's segments.
//
// Two live processes under one name are left alone until one of them has gone: which
// of the two is the later one cannot be seen.
func Next(cluster layout.ID, current *layout.Layout, names []layout.Name, w World) (*layout.Layout, string) {
	seen := w.Seen
	if current != nil && current.Cluster != cluster {
		return nil, fmt.Sprintf("the layout is of cluster %s, not of %s", current.Cluster, cluster)
	}
	if why := newer(cluster, current, seen); why != "" {
		return nil, why
	}
	var next *layout.Layout
	var reason string
	if current == nil {
		next, reason = bootstrap(cluster, names, byName(seen))
	} else {
		next, reason = rejoin(current, names, byName(seen))
	}
	if next == nil {
		return nil, reason
	}
	if err := next.Validate(); err != nil {
		return nil, "not a valid step: " + err.Error()
	}
	return next, reason
}

// newer tells which node knows a layout that we do not. Ours was lost then, or an old
// one was brought back, and a step from there would take what the nodes hold for
// empty (F15). Whose name it has does not matter.
func newer(cluster layout.ID, current *layout.Layout, seen []Observation) string {
	var known uint64
	here := "no layout is known here"
	if current != nil {
		known = current.Epoch
		here = fmt.Sprintf("epoch %d is the last one known here", known)
	}
	var who []string
	for i := range seen {
		if o := &seen[i]; o.Epoch > known && (current == nil || o.Cluster == cluster) {
			who = append(who, fmt.Sprintf("%s has epoch %d of cluster %s", o.Name, o.Epoch, o.Cluster))
		}
	}
	if len(who) == 0 {
		return ""
	}
	slices.Sort(who)
	return here + ", but " + strings.Join(slices.Compact(who), ", ")
}

// byName groups what is seen; observations that say the same count once.
func byName(seen []Observation) map[layout.Name][]Observation {
	groups := make(map[layout.Name][]Observation, len(seen))
	for _, o := range seen {
		same := func(p Observation) bool { return p.Incarnation == o.Incarnation && p.Address == o.Address }
		if o.Incarnation != (layout.ID{}) && o.Address != "" && !slices.ContainsFunc(groups[o.Name], same) {
			groups[o.Name] = append(groups[o.Name], o)
		}
	}
	return groups
}

// only returns the one live process of a name, or why there is none.
func only(cluster layout.ID, name layout.Name, group []Observation) (*Observation, string) {
	switch {
	case len(group) == 0:
		return nil, fmt.Sprintf("%s is not seen", name)
	case len(group) > 1:
		return nil, fmt.Sprintf("%d processes claim to be %s", len(group), name)
	case group[0].Cluster != (layout.ID{}) && group[0].Cluster != cluster:
		return nil, fmt.Sprintf("%s belongs to cluster %s", name, group[0].Cluster)
	}
	return &group[0], ""
}

func bootstrap(cluster layout.ID, names []layout.Name, seen map[layout.Name][]Observation) (*layout.Layout, string) {
	next := &layout.Layout{Cluster: cluster, Epoch: 1}
	var missing []string
	for _, name := range names {
		o, why := only(cluster, name, seen[name])
		if o == nil {
			missing = append(missing, why)
			continue
		}
		next.Members = append(next.Members, layout.Member{
			Name: name, Address: o.Address, Incarnation: o.Incarnation, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	if len(missing) > 0 {
		return nil, strings.Join(missing, ", ")
	}
	next.Segments = layout.SegmentsOf(next.Members, 1)
	return next, fmt.Sprintf("bootstrap with %d nodes", len(names))
}

func rejoin(current *layout.Layout, names []layout.Name, seen map[layout.Name][]Observation) (*layout.Layout, string) {
	next := &layout.Layout{
		Cluster: current.Cluster, Epoch: current.Epoch + 1,
		Members: slices.Clone(current.Members), Segments: current.Segments,
	}
	var joined, odd []string
	for _, name := range names {
		group := seen[name]
		if !slices.ContainsFunc(group, func(o Observation) bool { return !isMember(current, o.Incarnation) }) {
			continue
		}
		o, why := only(current.Cluster, name, group)
		switch {
		case o == nil:
			odd = append(odd, why)
		case !hasName(current, name):
			odd = append(odd, fmt.Sprintf("%s is new: a cluster cannot grow yet", name))
		default:
			put(next, layout.Member{
				Name: name, Address: o.Address, Incarnation: o.Incarnation, JoinEpoch: next.Epoch, Phase: layout.Joining,
			})
			joined = append(joined, name.String())
		}
	}
	if len(joined) == 0 {
		return nil, strings.Join(odd, ", ")
	}
	return next, fmt.Sprintf("%s came back empty", strings.Join(joined, ", "))
}

// put adds a joining member. An earlier incarnation that was joining too is gone and
// had no duties: the newcomer takes its place in the list, so that no other member's
// place, which the segments refer to, changes.
func put(l *layout.Layout, m layout.Member) {
	i := slices.IndexFunc(l.Members, func(old layout.Member) bool {
		return old.Name == m.Name && old.Phase == layout.Joining
	})
	if i < 0 {
		l.Members = append(l.Members, m)
		return
	}
	l.Members[i] = m
}

func isMember(l *layout.Layout, incarnation layout.ID) bool {
	return slices.ContainsFunc(l.Members, func(m layout.Member) bool { return m.Incarnation == incarnation })
}

func hasName(l *layout.Layout, name layout.Name) bool {
	return slices.ContainsFunc(l.Members, func(m layout.Member) bool { return m.Name == name })
}
