package conditions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// underway says what goes on and by itself comes to an end.
func (v *view) underway() (reason, message string) {
	waiting := v.waiting()
	switch {
	case len(waiting) > 0:
		return Creating, v.after(sentence(remarks(waiting)))
	case v.Layout == nil && v.Step != "":
		return Creating, "There is no layout yet. " + sentence(clip(v.Step, maxDetail))
	case v.Layout == nil:
		return Creating, "There is no layout yet."
	case v.starting():
		return Bootstrapping, "The first layout is on its way. " + sentence(remarks(v.notYet()))
	}
	if waking := v.waking(); len(waking) > 0 {
		return TakingOver, v.after(sentence(remarks(waking)))
	}
	if joining := v.joining(); len(joining) > 0 || v.Stepped {
		return Joining, v.after(sentence(remarks(joining)))
	}
	return "", ""
}

// after puts the step in front that was just made, or why there is none.
func (v *view) after(message string) string {
	step := sentence(clip(v.Step, maxDetail))
	if v.Stepped {
		step = fmt.Sprintf("Layout %d: %s", v.Layout.Epoch, step)
	}
	if v.Layout == nil {
		step = ""
	}
	return strings.TrimSpace(step + " " + message)
}

// waiting are the nodes whose pods are to come. A member that may run and does not answer
// is not one of them: there is nothing to wait for but that it does.
func (v *view) waiting() []remark {
	var out []remark
	for i := range v.Nodes {
		n := &v.Nodes[i]
		switch {
		case n.Status == nil && !v.mayLive(n):
			out = append(out, remark{n.Name, n.stage()})
		case n.Status != nil && n.Outdated && !v.holds(n):
			out = append(out, remark{n.Name, "holds nothing, its pod is replaced by one of the new template"})
		}
	}
	return out
}

// mayLive tells whether some member runs in the node's pod and is only not heard of, or
// was not asked yet.
func (v *view) mayLive(n *Node) bool {
	return slices.ContainsFunc(v.members[n.Name], func(m *layout.Member) bool {
		f := v.fates[m.Incarnation]
		return f == unasked || lives(n, m) && (f == unreachable || f == heard)
	})
}

// notYet are the nodes that do not serve, while the first layout is on its way.
func (v *view) notYet() []remark {
	var out []remark
	for i := range v.Nodes {
		if n := &v.Nodes[i]; n.Status != nil && !n.Status.Ready {
			out = append(out, remark{n.Name, notReady(n.Status)})
		}
	}
	return out
}

// waking are the nodes that are the first owner of slots and have not taken over.
func (v *view) waking() []remark {
	slots := make(map[layout.Name]*slotSet)
	for i := range v.Layout.Segments {
		g := &v.Layout.Segments[i]
		p := v.table.Owners(g.Lo).Primary
		if p == nil || v.fates[p.Incarnation] != alive || v.active(p, g) || v.cutOff(g) {
			continue
		}
		if slots[p.Name] == nil {
			slots[p.Name] = new(slotSet)
		}
		for slot := int(g.Lo); slot <= end(v.Layout, i); slot++ {
			slots[p.Name][slot] = true
		}
	}
	var out []remark
	for i := range v.Nodes {
		if s := slots[v.Nodes[i].Name]; s != nil {
			out = append(out, remark{v.Nodes[i].Name, "takes over slots " + s.text(rangesRoom)})
		}
	}
	return out
}

// cutOff tells whether an owner of a segment does not answer: its primary waits for that.
func (v *view) cutOff(g *layout.Segment) bool {
	return slices.ContainsFunc(v.table.Owners(g.Lo).Ack, func(m *layout.Member) bool { return v.fates[m.Incarnation] != alive })
}

// joining are the nodes that do not have the layout, or not all that it asks of them.
func (v *view) joining() []remark {
	var out []remark
	for i := range v.Nodes {
		n := &v.Nodes[i]
		if n.Status == nil {
			continue
		}
		switch m := v.member(n); {
		case m == nil:
			out = append(out, remark{n.Name, "is not let in yet"})
		case n.Status.Epoch < v.Layout.Epoch:
			out = append(out, remark{n.Name, fmt.Sprintf("layout %d is on its way", v.Layout.Epoch)})
		case !isCopy(m):
			out = append(out, remark{n.Name, copying(n)})
		}
	}
	return out
}
