package conditions

import (
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/eiri/seppen/api/v1alpha1"
)

// Changed tells what two statuses differ in. Figures are counts of keys and bytes,
// which always change and can be written at leisure; words are all the rest.
func Changed(before, after *v1alpha1.SeppenClusterStatus) (words, figures bool) {
	return !equality.Semantic.DeepEqual(wordsOf(before), wordsOf(after)),
		!equality.Semantic.DeepEqual(figuresOf(before), figuresOf(after))
}

func wordsOf(s *v1alpha1.SeppenClusterStatus) *v1alpha1.SeppenClusterStatus {
	s = s.DeepCopy()
	s.Keys, s.Bytes, s.Size, s.Memory = 0, 0, "", ""
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.Keys, n.Bytes, n.CopyBytesLeft, n.CopySecondsLeft = 0, 0, 0, 0
	}
	return s
}

func figuresOf(s *v1alpha1.SeppenClusterStatus) *v1alpha1.SeppenClusterStatus {
	only := &v1alpha1.SeppenClusterStatus{Keys: s.Keys, Bytes: s.Bytes, Size: s.Size, Memory: s.Memory}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		only.Nodes = append(only.Nodes, v1alpha1.NodeStatus{
			Name: n.Name, Keys: n.Keys, Bytes: n.Bytes, CopyBytesLeft: n.CopyBytesLeft, CopySecondsLeft: n.CopySecondsLeft,
		})
	}
	return only
}
