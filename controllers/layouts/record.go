package layouts

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/objects"
)

// Record is a layout that is durable, and what is kept beside it.
type Record struct {
	Layout      *layout.Layout // nil: none yet
	Fingerprint string         // of the secret
	// Names of the nodes that the cluster has. Those that are away are not in the layout,
	// and are to come back.
	Names []layout.Name

	at *corev1.ConfigMap // as it was read; nil: there was none
}

// The keys of the ConfigMap. The layout, the fingerprint and the nodes are read again, the
// others are for people.
const (
	layoutKey      = "layout"
	fingerprintKey = "fingerprint"
	nodesKey       = "nodes" // one name a line
	epochKey       = "epoch"
	membersKey     = "members"
)

func decode(id layout.ID, m *corev1.ConfigMap) (*Record, error) {
	data, ok := m.BinaryData[layoutKey]
	if !ok {
		return nil, fmt.Errorf("ConfigMap %s %w: it has no binaryData.%s", m.Name, ErrUnreadable, layoutKey)
	}
	l, err := layout.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s %w: %w", m.Name, ErrUnreadable, err)
	}
	if l.Cluster != id {
		return nil, fmt.Errorf("ConfigMap %s %w: it holds the layout of cluster %s", m.Name, ErrForeign, l.Cluster)
	}
	names, err := layout.ParseNames(strings.Fields(m.Data[nodesKey]))
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s %w: data.%s: %w", m.Name, ErrUnreadable, nodesKey, err)
	}
	return &Record{Layout: l, Fingerprint: m.Data[fingerprintKey], Names: names, at: m}, nil
}

// names are those of the cluster's nodes in the record that follows one: the members of the
// first layout, for good.
func (r *Record) names(next *layout.Layout) string {
	names := r.Names
	if r.Layout == nil {
		names = next.Names()
	}
	lines := make([]string, len(names))
	for i, n := range names {
		lines[i] = n.String()
	}
	return strings.Join(lines, "\n")
}

// encode makes the ConfigMap that follows prev. What others put into its metadata stays.
func encode(c *v1alpha1.SeppenCluster, prev *Record, next *layout.Layout, fingerprint string) *corev1.ConfigMap {
	m := prev.at.DeepCopy()
	if m == nil {
		m = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace:       c.Namespace,
			Name:            objects.LayoutName(c),
			Labels:          objects.Labels(c.Name),
			OwnerReferences: []metav1.OwnerReference{objects.Owner(c)},
		}}
	}
	m.BinaryData = map[string][]byte{layoutKey: next.Encode()}
	m.Data = map[string]string{
		fingerprintKey: fingerprint,
		nodesKey:       prev.names(next),
		epochKey:       strconv.FormatUint(next.Epoch, 10),
		membersKey:     members(next),
	}
	return m
}

// members is a table of a layout's members for people.
func members(l *layout.Layout) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tPHASE\tADDRESS\tINCARNATION\tSINCE\tPOD")
	for i := range l.Members {
		m := &l.Members[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", m.Name, m.Phase, m.Address, m.Incarnation, m.JoinEpoch, m.Home)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}
