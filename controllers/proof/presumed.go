package proof

import (
	"slices"
	"strings"

	"github.com/eiri/seppen/api/layout"
)

// PresumedDead is the annotation by which a person says that processes are dead of which
// nobody else can say it: a list of incarnations. Names would go on to count for those who
// come after, when nobody thinks of the annotation any more.
const PresumedDead = "seppen.io/presumed-dead"

// Presumed tells whether the annotation is about a member.
func Presumed(annotations map[string]string, m *layout.Member) bool {
	list := strings.FieldsFunc(annotations[PresumedDead], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
	return slices.Contains(list, m.Incarnation.String())
}

// OutOfService is the taint by which a person says that a machine is shut down.
const OutOfService = "node.kubernetes.io/out-of-service"
