package placement

import (
	"slices"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// examine checks a step against the rules, each slot for itself and with no word of
// the code's own: a second opinion.
func examine(t interface {
	Helper()
	Errorf(string, ...any)
}, before, after *layout.Layout, stay []layout.Name, w World) {
	t.Helper()
	if err := after.Validate(); err != nil {
		t.Errorf("I7: %v", err)
		return
	}
	if before == nil {
		if after.Epoch != 1 {
			t.Errorf("I6: the first epoch is %d", after.Epoch)
		}
		return
	}
	if after.Epoch != before.Epoch+1 {
		t.Errorf("I6: epoch %d follows %d", after.Epoch, before.Epoch)
	}
	o := &opinion{before: before, after: after, stay: stay, w: w}
	for slot := range layout.Slots {
		o.slot(t, uint8(slot))
	}
	for _, m := range before.Members {
		if now := memberOf(after, m.Incarnation); now != nil {
			same := *now
			restored := m.Phase == layout.Leaving && now.Phase == layout.Serving
			if same.Phase = m.Phase; same != m || !restored && (now.Phase < m.Phase || now.Phase > m.Phase+1) {
				t.Errorf("member %+v became %+v", m, *now)
			}
		}
	}
	for _, m := range after.Members {
		if memberOf(before, m.Incarnation) == nil && (m.Phase != layout.Joining || m.JoinEpoch != after.Epoch) {
			t.Errorf("a new member: %+v", m)
		}
	}
}

type opinion struct {
	before, after *layout.Layout
	stay          []layout.Name
	w             World
}

// slot checks one slot's owners before and after.
func (o *opinion) slot(t interface{ Errorf(string, ...any) }, slot uint8) {
	was, is := segmentOf(o.before, slot), segmentOf(o.after, slot)
	ownersWere, ownersAre := phases(o.before, was), phases(o.after, is)
	turned := primary(o.before, was) != primary(o.after, is) || len(ownersWere) != len(ownersAre)
	for id := range ownersAre {
		if _, ok := ownersWere[id]; !ok {
			turned = true
		}
	}
	if view := is.View; turned && view != o.after.Epoch || !turned && view != was.View {
		t.Errorf("slot %d: view %d after %d, turned: %t", slot, view, was.View, turned)
	}
	givenUp := is.Loss == o.after.Epoch
	if is.Loss != was.Loss && !givenUp && is.Loss != 0 {
		t.Errorf("slot %d: loss %d after %d", slot, is.Loss, was.Loss)
	}
	holdersLeft := 0
	for id, phase := range ownersWere {
		kept, ok := ownersAre[id]
		held, holds := phase >= layout.Serving, ok && kept >= layout.Serving
		if held && holds && !o.dead(id) {
			holdersLeft++
		}
		switch {
		case held && !holds && !o.dead(id) && !o.unreachable(id) && (phase != layout.Leaving || !o.handedOver(slot)):
			t.Errorf("I4, slot %d: %v went, and it was neither dead nor suspected nor cut off, and nobody took over", slot, id[0])
		case phase == layout.Serving && kept == layout.Leaving && o.copiesThatStay(slot, ownersAre) < o.wanted(slot):
			t.Errorf("I4, slot %d: %v leaves, and too few others serve", slot, id[0])
		case !held && holds && !o.claimsComplete(id, was) && (was.Loss == 0 || holdersWere(ownersWere) > 0):
			t.Errorf("I3, slot %d: %v serves and never said that it is complete", slot, id[0])
		}
	}
	o.losses(t, slot, ownersWere, holdersLeft, givenUp)
	for id := range ownersAre {
		if _, known := ownersWere[id]; !known && !givenUp && !o.mayReach(primary(o.before, was), id) {
			t.Errorf("slot %d: %v is attached, and the primary has not heard of it", slot, id[0])
		}
	}
}

// mayReach tells whether a primary does not say that it has no answer of somebody, or is not asked.
func (o *opinion) mayReach(first, id layout.ID) bool {
	if first == (layout.ID{}) || o.dead(first) || o.w.Silent[first] >= 30*time.Second {
		return true
	}
	for _, s := range o.w.Seen {
		if s.Incarnation != first {
			continue
		}
		for _, j := range s.Joining {
			if j.Incarnation == id && (!j.Answered || j.Silent >= 1200) {
				return false
			}
		}
		return s.Epoch >= memberOf(o.before, id).JoinEpoch
	}
	return false
}

// handedOver tells whether the slot's primary says that it is active in the view of now.
func (o *opinion) handedOver(slot uint8) bool {
	g := segmentOf(o.before, slot)
	first := primary(o.before, g)
	for _, s := range o.w.Seen {
		for _, c := range s.Segments {
			if s.Incarnation == first && c.Lo == g.Lo && c.View == g.View && c.Active {
				return o.copiesThatStay(slot, phases(o.before, g)) >= o.wanted(slot)
			}
		}
	}
	return false
}

// copiesThatStay counts the owners that serve and whose nodes stay.
func (o *opinion) copiesThatStay(slot uint8, owners map[layout.ID]layout.Phase) int {
	n := 0
	for id, phase := range owners {
		if phase == layout.Serving && !o.dead(id) && slices.Contains(o.stay, memberOf(o.before, id).Name) {
			n++
		}
	}
	return n
}

func (o *opinion) wanted(slot uint8) int {
	n := 0
	for _, name := range o.stay {
		if name.Range.Contains(slot) {
			n++
		}
	}
	return n
}

// losses checks that everything is given up only with everybody who has it.
func (o *opinion) losses(t interface{ Errorf(string, ...any) }, slot uint8, before map[layout.ID]layout.Phase, left int, givenUp bool) {
	alive := 0
	for id, phase := range before {
		if phase >= layout.Serving && !o.dead(id) {
			alive++
		}
	}
	if alive > 0 && left == 0 {
		t.Errorf("I1, slot %d: nobody is left who has everything, and not all who had it are dead", slot)
	}
	if givenUp && alive > 0 {
		t.Errorf("I1, slot %d: given up, and somebody who has everything may be alive", slot)
	}
}

func (o *opinion) dead(id layout.ID) bool {
	return slices.Contains(o.w.Dead, id) || slices.Contains(o.before.Dead, id)
}

// unreachable tells whether the author does not hear of a member, or some other member.
func (o *opinion) unreachable(id layout.ID) bool {
	if left, ends := o.w.Ending[id]; o.w.Silent[id] >= SuspectAfter || ends && left < HurryBefore {
		return true
	}
	for _, s := range o.w.Seen {
		for _, p := range s.Peers {
			silent := time.Duration(p.Silent) * time.Millisecond
			if silent >= CutAfter && (p.Incarnation == id || s.Incarnation == id) {
				return true
			}
		}
	}
	return false
}

func (o *opinion) claimsComplete(id layout.ID, g *layout.Segment) bool {
	for _, s := range o.w.Seen {
		for _, c := range s.Segments {
			if s.Incarnation == id && c.Lo == g.Lo && c.Complete && c.View <= o.before.Epoch && c.View >= g.View {
				return true
			}
		}
	}
	return false
}

func memberOf(l *layout.Layout, id layout.ID) *layout.Member {
	for i := range l.Members {
		if l.Members[i].Incarnation == id {
			return &l.Members[i]
		}
	}
	return nil
}

func segmentOf(l *layout.Layout, slot uint8) *layout.Segment {
	found := &l.Segments[0]
	for i := range l.Segments {
		if l.Segments[i].Lo <= slot {
			found = &l.Segments[i]
		}
	}
	return found
}

func phases(l *layout.Layout, g *layout.Segment) map[layout.ID]layout.Phase {
	out := make(map[layout.ID]layout.Phase)
	for _, i := range g.Order {
		out[l.Members[i].Incarnation] = l.Members[i].Phase
	}
	return out
}

func primary(l *layout.Layout, g *layout.Segment) layout.ID {
	for _, i := range g.Order {
		if l.Members[i].Phase == layout.Serving {
			return l.Members[i].Incarnation
		}
	}
	return layout.ID{}
}

func holdersWere(owners map[layout.ID]layout.Phase) int {
	n := 0
	for _, phase := range owners {
		if phase >= layout.Serving {
			n++
		}
	}
	return n
}

// The second opinion finds what it is there for.
func TestExamine(t *testing.T) {
	names, err := layout.ParseNames([]string{"a-0-255", "b-0-255"})
	check(t, err)
	first, _ := bootstrap(cluster, names, byName([]Observation{
		{Name: names[0], Address: "a:1", Incarnation: layout.ID{1}}, {Name: names[1], Address: "b:1", Incarnation: layout.ID{2}},
	}))
	for name, spoil := range map[string]func(d *draft, l *layout.Layout){
		"epoch":  func(_ *draft, l *layout.Layout) { l.Epoch++ },
		"view":   func(_ *draft, l *layout.Layout) { l.Segments[0].View = 2 },
		"loss":   func(_ *draft, l *layout.Layout) { l.Segments[0].Loss = 2 },
		"phase":  func(_ *draft, l *layout.Layout) { l.Members[0].Phase = layout.Attached },
		"member": func(_ *draft, l *layout.Layout) { l.Members = append(l.Members, l.Members[0]) },
		"owner":  func(d *draft, l *layout.Layout) { d.remove(layout.ID{1}); *l = *d.layout() },
		"joined": func(d *draft, l *layout.Layout) {
			d.members = append(d.members, layout.Member{Name: names[0], Address: "a", Incarnation: layout.ID{3}, JoinEpoch: 2, Phase: layout.Serving})
			*l = *d.layout()
		},
	} {
		d := edit(first)
		next := d.layout()
		spoil(d, next)
		var found recorder
		examine(&found, first, next, names, World{})
		if found == 0 {
			t.Errorf("%s: nothing was found", name)
		}
	}
}

type recorder int

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { *r++ }
