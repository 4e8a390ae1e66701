package conditions

import (
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/proof"
)

// undecidedAfter is for how long somebody must be silent for a person to be bothered with
// it: a shorter silence most often ends by itself.
const undecidedAfter = 5 * time.Second

// maxWord is how much of a word of a person's is repeated: an incarnation has 32 letters, a
// node's name some more.
const maxWord = 64

// undecided says which slots wait for members that have the last copies of them, do not
// answer and are not proven to be dead (F6). Only a person can say that they will never
// come back.
func (v *view) undecided() string {
	if v.Layout == nil {
		return ""
	}
	var slots slotSet
	members := make(map[layout.ID]bool)
	for slot := range layout.Slots {
		if last := v.lastCopies(slot); len(last) > 0 {
			slots[slot] = true
			for _, m := range last {
				members[m.Incarnation] = true
			}
		}
	}
	var who []remark
	var ids []string
	for i := range v.Layout.Members {
		if m := &v.Layout.Members[i]; members[m.Incarnation] {
			who = append(who, remark{m.Name, v.why(m)})
			ids = append(ids, m.Incarnation.String())
		}
	}
	if len(who) == 0 {
		return ""
	}
	return fmt.Sprintf("The last copies of slots %s are waited for. %s %sWhat only they hold is lost if you say that they are dead: annotate the resource with %s=%s",
		slots.text(rangesRoom), sentence(clip(remarks(who), maxDetail)), v.mistaken(), proof.PresumedDead, few(ids))
}

// mistaken tells a person who says that somebody is dead, and names no member, that this counts
// for nothing: names do not.
func (v *view) mistaken() string {
	words := proof.Mistaken(v.Cluster.Annotations, v.Layout)
	if len(words) == 0 {
		return ""
	}
	for i := range words {
		words[i] = clip(words[i], maxWord)
	}
	return fmt.Sprintf("The annotation has %s, which is the incarnation of no member and counts for nothing. ", few(words))
}

// lastCopies are the members that may have a slot, if none of them answers or is heard of
// and at least one may live.
func (v *view) lastCopies(slot int) []*layout.Member {
	var last []*layout.Member
	for _, m := range v.table.Owners(uint8(slot)).Ack {
		if !isCopy(m) {
			continue
		}
		switch f := v.fates[m.Incarnation]; {
		case f == unreachable && v.Silent[m.Incarnation] >= undecidedAfter:
			last = append(last, m)
		case !f.lost():
			return nil
		}
	}
	return last
}
