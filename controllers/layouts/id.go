package layouts

import (
	"fmt"
	"strings"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// ClusterID is the ID that a cluster's layouts have: the 16 bytes of the resource's UID.
// It need not be written anywhere, and a cluster that was deleted and made again has
// another one.
func ClusterID(c *v1alpha1.SeppenCluster) (layout.ID, error) {
	var id layout.ID
	err := id.UnmarshalText([]byte(strings.ReplaceAll(string(c.UID), "-", "")))
	if err != nil || id == (layout.ID{}) {
		return layout.ID{}, fmt.Errorf("SeppenCluster %s: metadata.uid %q is not a UUID", c.Name, c.UID)
	}
	return id, nil
}
