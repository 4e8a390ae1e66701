package objects

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// RevisionLabel has the revision of the template that a pod was made from.
const RevisionLabel = "seppen.io/revision"

// Revision is a short hash of the template of a cluster's pods as it is now: the same for all
// its nodes, so that their pods can be told from those of an older one.
func Revision(c *v1alpha1.SeppenCluster, defaultImage string) string {
	t := corev1.PodTemplateSpec{ObjectMeta: podMeta(c, layout.Name{}), Spec: podSpec(c, defaultImage)}
	delete(t.Labels, NodeLabel)
	text, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprint("a pod template that is no JSON: ", err)) // it is made of plain fields
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:5])
}

// template is that of a node's pod.
func template(c *v1alpha1.SeppenCluster, n layout.Name, defaultImage string) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{ObjectMeta: podMeta(c, n), Spec: podSpec(c, defaultImage)}
	t.Labels[RevisionLabel] = Revision(c, defaultImage)
	return t
}
