package layouts

import (
	"cmp"
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

// Content is what is durable of a cluster.
type Content struct {
	Layout      *layout.Layout // nil: none yet
	Fingerprint string         // of the secret
	// Names of all nodes that the cluster has, also of those that are no members yet, are away,
	// or go. Each member's node is one of them: only what is no more here may be deleted.
	Names []layout.Name
	// Serial is the last one that was given out for a node's name (docs/changes.md).
	Serial uint64
	// Shape is the ranges that were asked for last, by which the nodes came and go. None: an
	// older operator wrote the record.
	Shape []layout.Range
}

// Record is what is durable, and where it was read.
type Record struct {
	Content

	at *corev1.ConfigMap // as it was read; nil: there was none
}

// The keys of the ConfigMap. The layout, the fingerprint, the nodes, the serial and the shape are
// read again, the others are for people.
const (
	layoutKey      = "layout"
	fingerprintKey = "fingerprint"
	nodesKey       = "nodes"  // one name a line
	serialKey      = "serial" // none in those of older operators: no serial was given out
	shapeKey       = "shape"  // one range a line; none in those of older operators
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
	serial, err := strconv.ParseUint(cmp.Or(m.Data[serialKey], "0"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s %w: data.%s: %w", m.Name, ErrUnreadable, serialKey, err)
	}
	shape, err := parseShape(m.Data[shapeKey])
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s %w: data.%s: %w", m.Name, ErrUnreadable, shapeKey, err)
	}
	content := Content{Layout: l, Fingerprint: m.Data[fingerprintKey], Names: names, Serial: serial, Shape: shape}
	return &Record{Content: content, at: m}, nil
}

func lines[T fmt.Stringer](list []T) string {
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = one.String()
	}
	return strings.Join(out, "\n")
}

// parseShape reads the ranges of a shape: none, or ones that together have all slots.
func parseShape(text string) ([]layout.Range, error) {
	var shape []layout.Range
	for _, line := range strings.Fields(text) {
		r, err := layout.ParseRange(line)
		if err != nil {
			return nil, err
		}
		shape = append(shape, r)
	}
	return shape, covers(shape)
}

func covers(shape []layout.Range) error {
	names := make([]layout.Name, len(shape))
	for i, r := range shape {
		names[i].Range = r
	}
	if gaps := layout.Uncovered(names); len(shape) > 0 && len(gaps) > 0 {
		return fmt.Errorf("no range has slots %s", gaps[0])
	}
	return nil
}

// encode makes the ConfigMap that follows prev. What others put into its metadata stays.
func encode(c *v1alpha1.SeppenCluster, prev *Record, next *Content) *corev1.ConfigMap {
	m := prev.at.DeepCopy()
	if m == nil {
		m = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace:       c.Namespace,
			Name:            objects.LayoutName(c),
			Labels:          objects.Labels(c.Name),
			OwnerReferences: []metav1.OwnerReference{objects.Owner(c)},
		}}
	}
	m.BinaryData = map[string][]byte{layoutKey: next.Layout.Encode()}
	m.Data = map[string]string{
		fingerprintKey: next.Fingerprint,
		nodesKey:       lines(next.Names),
		serialKey:      strconv.FormatUint(next.Serial, 10),
		epochKey:       strconv.FormatUint(next.Layout.Epoch, 10),
		membersKey:     members(next.Layout),
	}
	if len(next.Shape) > 0 {
		m.Data[shapeKey] = lines(next.Shape)
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
