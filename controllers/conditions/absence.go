package conditions

import (
	"strings"
	"time"

	"github.com/eiri/seppen/api/v1alpha1"
)

// absentAfter is for how long a StatefulSet may make no pod until somebody has to look why.
// Its controller takes seconds, and tries again ever more seldom.
const absentAfter = time.Minute

// absence is what keeps a node from having a pod, nil if nothing is known to.
func (v *view) absence(n *Node) *cause {
	before := v.nodeBefore(n.Name.String())
	said := before != nil && strings.HasPrefix(before.Message, PodMissing+": ") // it stands when the operator is another one
	switch {
	case n.Earlier != nil && isOverdue(n.Earlier, v.Now):
		return &cause{PodNotEnding, "an earlier " + overdueText(n.Earlier) + ", and has its name"}
	case n.Absent >= absentAfter, n.Earlier == nil && said:
		return &cause{PodMissing, "no pod is made; the events of StatefulSet " + v1alpha1.StatefulSetName(n.Name) + " say why"}
	}
	return nil
}
