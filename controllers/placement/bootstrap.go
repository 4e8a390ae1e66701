package placement

import (
	"fmt"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// bootstrap makes the first layout once every name is there. Nobody has anything yet,
// so everybody has everything (I3).
func bootstrap(cluster layout.ID, names []layout.Name, seen map[layout.Name][]Observation) (*layout.Layout, string) {
	next := &layout.Layout{Cluster: cluster, Epoch: 1}
	var missing []string
	for _, name := range names {
		o, why := only(cluster, name, seen[name])
		if o == nil {
			missing = append(missing, why)
			continue
		}
		next.Members = append(next.Members, member(o, 1, layout.Serving))
	}
	if len(missing) > 0 {
		return nil, strings.Join(missing, ", ")
	}
	next.Segments = layout.SegmentsOf(next.Members, 1)
	return next, fmt.Sprintf("bootstrap with %d nodes", len(names))
}

func member(o *Observation, epoch uint64, phase layout.Phase) layout.Member {
	return layout.Member{
		Name: o.Name, Address: o.Address, Home: o.Home, Incarnation: o.Incarnation, JoinEpoch: epoch, Phase: phase,
	}
}

// only returns the one live process of a name, or why there is none.
func only(cluster layout.ID, name layout.Name, group []Observation) (*Observation, string) {
	switch {
	case len(group) == 0:
		return nil, fmt.Sprintf("%s is not seen", name)
	case len(group) > 1:
		return nil, claims(name, len(group))
	case group[0].Cluster != (layout.ID{}) && group[0].Cluster != cluster:
		return nil, fmt.Sprintf("%s belongs to cluster %s", name, group[0].Cluster)
	}
	return &group[0], ""
}

func claims(name layout.Name, processes int) string {
	return fmt.Sprintf("%d processes claim to be %s", processes, name)
}
