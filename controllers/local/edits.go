package local

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/eiri/seppen/api/v1alpha1"
)

// followed are the fields of the spec that count here. The others are about pods.
var followed = []string{"shards", "copies", "ranges", "memoryLimit", "valueSizeLimit", "updateStrategy", "transfer"}

// edits are the fields in which a file is not what it was.
type edits struct {
	followed []string
	fixed    []string // cannot be changed while the cluster runs
	unused   []string // mean nothing here
}

// compare finds what was edited. A memory limit on the command line wins over the file's.
func compare(before, after *v1alpha1.SeppenCluster, memoryGiven bool) (edits, error) {
	var e edits
	if before.Name != after.Name {
		e.fixed = append(e.fixed, "metadata.name")
	}
	was, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&before.Spec)
	if err != nil {
		return e, err
	}
	is, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&after.Spec)
	if err != nil {
		return e, err
	}
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		switch path := "spec." + field; {
		case reflect.DeepEqual(was[field], is[field]):
		case field == "secretRef", field == "memoryLimit" && memoryGiven:
			e.fixed = append(e.fixed, path)
		case slices.Contains(followed, field):
			e.followed = append(e.followed, path)
		default:
			e.unused = append(e.unused, path)
		}
	}
	return e, nil
}

// String says in one line what comes of the edits.
func (e *edits) String() string {
	text := "nothing to change"
	if len(e.followed) > 0 {
		text = "changed: " + strings.Join(e.followed, ", ")
	}
	if len(e.fixed) > 0 {
		text += fmt.Sprintf("; ignored, as it cannot be changed while the cluster runs: %s", strings.Join(e.fixed, ", "))
	}
	if len(e.unused) > 0 {
		text += fmt.Sprintf("; ignored, as it means something in Kubernetes only: %s", strings.Join(e.unused, ", "))
	}
	return text
}
