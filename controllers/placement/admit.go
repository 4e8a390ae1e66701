package placement

import (
	"fmt"
	"slices"

	"github.com/eiri/seppen/api/layout"
)

// admit lets processes in that answer and are no members. They are empty, so they get
// nothing of what a predecessor of their name had (I3).
func admit(s *situation) (*draft, string) {
	d := edit(s.current)
	newcomers, _ := s.newcomers()
	var who []string
	for _, o := range newcomers {
		d.members = append(d.members, member(o, d.epoch, layout.Joining))
		d.cut(o.Name.Range)
		who = append(who, o.Name.String())
	}
	if len(who) == 0 {
		return nil, ""
	}
	return d, are(who, "joins", "join") + " with empty memory"
}

// newcomers are those to let in, in the order of the names, and what is odd about others.
func (s *situation) newcomers() (in []*Observation, odd []string) {
	taken := make(map[layout.ID]bool)
	for _, name := range s.names {
		group := s.byName[name]
		if !slices.ContainsFunc(group, func(o Observation) bool { return !isMember(s.current, o.Incarnation) }) {
			continue
		}
		o, why := only(s.current.Cluster, name, group)
		switch {
		case o == nil:
			odd = append(odd, why)
		case taken[o.Incarnation]:
			odd = append(odd, fmt.Sprintf("%s claims to be another node too", name))
		case s.predecessor(name):
			odd = append(odd, claims(name, 2))
		case s.fresh(o) && !o.Unfit:
			taken[o.Incarnation] = true
			in = append(in, o)
		}
	}
	return in, odd
}

// fresh tells whether a process that is no member never was one. A member that was
// removed keeps its incarnation, and what it holds, until it has the layout that says so;
// let in as it is, it would take that for what it has copied (F12). So a process has no
// layout at all, or it has this one and has become nobody else over it.
func (s *situation) fresh(o *Observation) bool {
	return o.Epoch == 0 || o.Cluster == s.current.Cluster && o.Epoch == s.current.Epoch
}

// predecessor tells whether a member of this name may well be alive.
func (s *situation) predecessor(name layout.Name) bool {
	return slices.ContainsFunc(s.current.Members, func(m layout.Member) bool {
		return m.Name == name && !s.dead[m.Incarnation] && !s.suspect[m.Incarnation]
	})
}
