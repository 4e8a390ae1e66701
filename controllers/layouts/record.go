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

	at *corev1.ConfigMap // as it was read; nil: there was none
}

// The keys of the ConfigMap. Only the layout and the fingerprint are read again, the
// others are for people.
const (
	layoutKey      = "layout"
	fingerprintKey = "fingerprint"
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
	return &Record{Layout: l, Fingerprint: m.Data[fingerprintKey], at: m}, nil
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
		epochKey:       strconv.FormatUint(next.Epoch, 10),
		membersKey:     members(next),
	}
	return m
}

// members is a table of a layout's members for people.
func members(l *layout.Layout) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tPHASE\tADDRESS\tINCARNATION\tSINCE")
	for i := range l.Members {
		m := &l.Members[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", m.Name, m.Phase, m.Address, m.Incarnation, m.JoinEpoch)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}
