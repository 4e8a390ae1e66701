package conditions

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// LossesSeen is the annotation by which a person says up to which epoch losses are known
// to them.
const LossesSeen = "seppen.io/losses-seen"

// maxLosses is how many a status tells of, if no more have marks in the layout.
const maxLosses = 16

// Told tells whether a cluster's status tells of the loss that was marked in an epoch.
func Told(c *v1alpha1.SeppenCluster, epoch uint64) bool {
	return slices.ContainsFunc(c.Status.LostSlots, func(l v1alpha1.SlotLoss) bool { return l.Epoch == int64(epoch) })
}

// lostSlots are the losses that the status told of before, and those that are new: their
// marks stand in the layout. One is told of as long as its mark stands, and until somebody
// has seen it.
func (v *view) lostSlots() []v1alpha1.SlotLoss {
	marks := v.marks()
	seen := seenBy(v.Cluster)
	var out []v1alpha1.SlotLoss
	for _, l := range v.before.LostSlots {
		if marks[uint64(l.Epoch)] != nil || l.Epoch > seen {
			out = append(out, l)
		}
	}
	for epoch, slots := range marks {
		if v.tells(int64(epoch)) {
			continue
		}
		out = append(out, v1alpha1.SlotLoss{
			Epoch: int64(epoch), Slots: slots.text(maxMessage), Count: int32(slots.count()),
			Time: metav1.NewTime(v.Now.Truncate(time.Second)), Cause: v.causeOfLoss(slots),
		})
	}
	slices.SortFunc(out, func(a, b v1alpha1.SlotLoss) int { return int(a.Epoch - b.Epoch) })
	tooMany := len(out) - maxLosses
	return slices.DeleteFunc(out, func(l v1alpha1.SlotLoss) bool {
		old := tooMany > 0 && marks[uint64(l.Epoch)] == nil
		if old {
			tooMany--
		}
		return old
	})
}

// marks are the slots that were given up and whose traces are not gone yet, by epoch.
func (v *view) marks() map[uint64]*slotSet {
	marks := make(map[uint64]*slotSet)
	if v.table == nil {
		return marks
	}
	for slot := range layout.Slots {
		if loss := v.table.Owners(uint8(slot)).Loss; loss != 0 {
			if marks[loss] == nil {
				marks[loss] = new(slotSet)
			}
			marks[loss][slot] = true
		}
	}
	return marks
}

func (v *view) tells(epoch int64) bool {
	return slices.ContainsFunc(v.before.LostSlots, func(l v1alpha1.SlotLoss) bool { return l.Epoch == epoch })
}

// seenBy is the epoch up to which somebody knows of a cluster's losses.
func seenBy(c *v1alpha1.SeppenCluster) int64 {
	if c == nil {
		return 0
	}
	n, err := strconv.ParseInt(c.Annotations[LossesSeen], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// LostSlots counts the slots whose loss nobody has seen yet.
func LostSlots(c *v1alpha1.SeppenCluster, s *v1alpha1.SeppenClusterStatus) int {
	n := 0
	for i := range s.LostSlots {
		if l := &s.LostSlots[i]; l.Epoch > seenBy(c) {
			n += int(l.Count)
		}
	}
	return n
}

// causeOfLoss says what became of those who had the slots when the status before was written.
func (v *view) causeOfLoss(slots *slotSet) string {
	if v.Told == nil {
		return ""
	}
	var list []remark
	table := layout.NewTable(v.Told)
	for i := range v.Told.Members {
		m := &v.Told.Members[i]
		words, dead := v.Died[m.Incarnation]
		owned := func(slot int) bool { return slots[slot] && slices.Contains(table.Owners(uint8(slot)).Serving, m) }
		if dead && slices.ContainsFunc(allSlots, owned) {
			list = append(list, remark{m.Name, words})
		}
	}
	return clip(remarks(list), maxDetail)
}

var allSlots = func() []int {
	var all []int
	for slot := range layout.Slots {
		all = append(all, slot)
	}
	return all
}()

// dataLost: were all copies of some slots lost? It is true until somebody says that they
// know of it.
func (v *view) dataLost(s *v1alpha1.SeppenClusterStatus) metav1.Condition {
	var words []string
	last := int64(0)
	for _, l := range s.LostSlots {
		if l.Epoch > seenBy(v.Cluster) {
			words = append(words, lossWords(&l))
			last = l.Epoch
		}
	}
	if len(words) == 0 {
		return metav1.Condition{Type: DataLost, Status: metav1.ConditionFalse, Reason: NothingLost, Message: "No data was lost, or somebody has seen it."}
	}
	slices.Reverse(words)
	how := fmt.Sprintf(" Annotate the resource with %s=%d when you have seen this.", LossesSeen, last)
	return metav1.Condition{
		Type: DataLost, Status: metav1.ConditionTrue, Reason: SlotsGivenUp,
		Message: clip(strings.Join(words, " "), maxMessage-len(how)) + how,
	}
}

func lossWords(l *v1alpha1.SlotLoss) string {
	text := fmt.Sprintf("All keys and values of slots %s were lost at %s.", l.Slots, l.Time.UTC().Format(time.RFC3339))
	if l.Cause != "" {
		text += " " + sentence(l.Cause)
	}
	return clip(text, maxMessage)
}

func (in *slotSet) count() int {
	n := 0
	for _, is := range in {
		if is {
			n++
		}
	}
	return n
}
