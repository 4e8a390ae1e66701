package placement

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// Next returns the next layout of a cluster in which the nodes of these names are to stay,
// and all others to go, and why, or nil and what stands in the way. Nil and "" means that nothing does: all is as it should be, or
// will be by itself. Neither current, nil where there is no layout yet, nor the world
// is changed.
//
// Two live processes under one name are left alone until one of them has gone: which
// of the two is the later one cannot be seen.
func Next(cluster layout.ID, current *layout.Layout, names []layout.Name, w World) (*layout.Layout, string) {
	if current != nil && current.Cluster != cluster {
		return nil, fmt.Sprintf("the layout is of cluster %s, not of %s", current.Cluster, cluster)
	}
	if why := newer(cluster, current, w.Seen); why != "" {
		return nil, why
	}
	if why := conflict(current, w.Seen); why != "" {
		return nil, why
	}
	if current == nil {
		return checked(bootstrap(cluster, names, byName(w.Seen)))
	}
	s := judge(current, names, w)
	for _, step := range []func(*situation) (*draft, string){promote, remove, giveUp, retire, admit, attach, forget, even} {
		if d, reason := step(s); d != nil {
			return checked(d.layout(), reason)
		}
	}
	return nil, s.obstacles()
}

func checked(next *layout.Layout, reason string) (*layout.Layout, string) {
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
	return here + ", but " + sorted(who)
}

// conflict tells which node has another layout of this epoch: two authors wrote, and
// whatever is decided now is decided about one half only (F14).
func conflict(current *layout.Layout, seen []Observation) string {
	if current == nil {
		return ""
	}
	hash := current.Hash()
	mine := hex.EncodeToString(hash[:])
	var who []string
	for i := range seen {
		o := &seen[i]
		if o.Cluster == current.Cluster && o.Epoch == current.Epoch && o.Layout != "" && o.Layout != mine {
			who = append(who, o.Name.String())
		}
	}
	if len(who) == 0 {
		return ""
	}
	return fmt.Sprintf("there are two layouts of epoch %d: another one than is known here has %s", current.Epoch, sorted(who))
}

// sorted lists what was said, each once, in an order that does not depend on who was
// seen first.
func sorted(words []string) string {
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ", ")
}
