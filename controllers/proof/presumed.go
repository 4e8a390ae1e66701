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
	return slices.Contains(presumed(annotations), m.Incarnation.String())
}

// Mistaken is what the annotation lists and is neither a member of a layout nor one that is dead:
// a name, or what is misspelled. It counts for nothing.
func Mistaken(annotations map[string]string, l *layout.Layout) []string {
	known := make(map[string]bool)
	for i := range l.Members {
		known[l.Members[i].Incarnation.String()] = true
	}
	for _, id := range l.Dead {
		known[id.String()] = true
	}
	return slices.DeleteFunc(presumed(annotations), func(word string) bool { return known[word] })
}

func presumed(annotations map[string]string) []string {
	return strings.FieldsFunc(annotations[PresumedDead], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
}

// OutOfService is the taint by which a person says that a machine is shut down.
const OutOfService = "node.kubernetes.io/out-of-service"
