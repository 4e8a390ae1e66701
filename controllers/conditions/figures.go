package conditions

import (
	"math"
	"slices"
	"strconv"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// figures fills in how much there is. Before the nodes were asked, what was counted
// before stands.
func (v *view) figures(s *v1alpha1.SeppenClusterStatus) {
	if v.early() {
		s.Keys, s.Bytes, s.Size, s.Memory = v.before.Keys, v.before.Bytes, v.before.Size, v.before.Memory
		return
	}
	s.Keys, s.Bytes = v.stored()
	s.Size = human(s.Bytes)
	s.Memory = v.memory()
}

// stored counts keys and bytes once, however many copies there are: of each segment
// what the owner counts that has the most of it.
func (v *view) stored() (keys, bytes int64) {
	var most [layout.Slots]struct{ keys, bytes int64 } // by the segment's first slot
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Status == nil {
			continue
		}
		for _, s := range n.Status.Segments {
			if v.counts(n, s.Lo) {
				most[s.Lo].keys, most[s.Lo].bytes = max(most[s.Lo].keys, s.Keys), max(most[s.Lo].bytes, s.Bytes)
			}
		}
	}
	for i := range most {
		keys += most[i].keys
		bytes += most[i].bytes
	}
	return keys, bytes
}

// counts tells whether a node's figures are of the segment that begins at a slot now: if
// it is one of its owners. It may be some epochs behind, when other owners were beside it:
// what the segment has is the same.
func (v *view) counts(n *Node, lo uint8) bool {
	if v.Layout == nil {
		return true // there is nothing better to go by
	}
	m := v.member(n)
	if m == nil || n.Status.Cluster != v.Layout.Cluster {
		return false
	}
	begins := slices.ContainsFunc(v.Layout.Segments, func(s layout.Segment) bool { return s.Lo == lo })
	return begins && slices.Contains(v.table.Owners(lo).Ack, m)
}

// memory is what all nodes that answer use and may use: "1.5 GiB / 3 GiB".
func (v *view) memory() string {
	var used, limit int64
	for i := range v.Nodes {
		if s := v.Nodes[i].Status; s != nil {
			used, limit = used+s.MemoryUsed, limit+s.MemoryLimit
		}
	}
	if v.answering() == 0 {
		return ""
	}
	return human(used) + " / " + human(limit)
}

// human is a number of bytes with one decimal at most and the largest unit that leaves
// at least one: "1.5 GiB", "12 KiB", "0 B".
func human(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	f, i := float64(n), 0
	for math.Round(f*10)/10 >= 1024 && i+1 < len(units) {
		f, i = f/1024, i+1
	}
	return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) + " " + units[i]
}
