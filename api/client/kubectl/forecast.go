package kubectl

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// forecast is what a change of the shape brings.
type forecast struct {
	come []layout.Range // a new node each
	stay []layout.Name
	goes []layout.Name
}

// forecastOf compares the nodes that there are with those of a shape. A node stays if its
// range is still wanted; one that was to stay before, if there are two.
func forecastOf(c *v1alpha1.SeppenCluster, shards, copies int) (*forecast, error) {
	wanted, err := layout.Names(c.Name, shards, copies)
	if err != nil {
		return nil, err
	}
	f := &forecast{}
	taken := make(map[string]bool)
	for _, w := range wanted {
		i := slices.IndexFunc(c.Status.Nodes, func(n v1alpha1.NodeStatus) bool {
			return n.Range == w.Range.String() && !n.Retiring && !taken[n.Name]
		})
		if i < 0 {
			i = slices.IndexFunc(c.Status.Nodes, func(n v1alpha1.NodeStatus) bool { return n.Range == w.Range.String() && !taken[n.Name] })
		}
		if i < 0 {
			f.come = append(f.come, w.Range)
			continue
		}
		taken[c.Status.Nodes[i].Name] = true
	}
	for _, n := range c.Status.Nodes {
		name, err := layout.ParseName(n.Name)
		switch {
		case err != nil:
			return nil, err
		case taken[n.Name]:
			f.stay = append(f.stay, name)
		default:
			f.goes = append(f.goes, name)
		}
	}
	return f, nil
}

// lines say it, with what each new node takes.
func (f *forecast) lines(each *resource.Quantity) []string {
	if len(f.come) == 0 && len(f.goes) == 0 {
		return []string{"No node comes or goes."}
	}
	var out []string
	if len(f.come) > 0 {
		out = append(out, fmt.Sprintf("%s: %s", comes(len(f.come)), list(f.come)))
	}
	if len(f.goes) > 0 {
		out = append(out, fmt.Sprintf("%s: %s", count(len(f.goes), "node goes", "nodes go"), list(f.goes)))
	}
	if len(f.stay) > 0 {
		out = append(out, fmt.Sprintf("%s: %s", count(len(f.stay), "node stays", "nodes stay"), list(f.stay)))
	}
	if len(f.come) > 0 {
		out = append(out, fmt.Sprintf("Until the old ones are gone %d pods run.%s", len(f.come)+len(f.stay)+len(f.goes), surge(len(f.come), each)))
	}
	return out
}

func comes(n int) string { return count(n, "node comes, for the range", "nodes come, for the ranges") }

// surge is the memory that new nodes ask for beside the old ones.
func surge(n int, each *resource.Quantity) string {
	if each == nil {
		return ""
	}
	all := resource.NewQuantity(0, each.Format)
	for range n {
		all.Add(*each)
	}
	return fmt.Sprintf(" The new ones need %d x %s = %s of memory on the machines.", n, each, all)
}

// list spells a few of many.
func list[T fmt.Stringer](all []T) string {
	const few = 8
	var words []string
	for _, one := range all[:min(len(all), few)] {
		words = append(words, one.String())
	}
	text := strings.Join(words, " ")
	if more := len(all) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// memoryOf is the memory limit of a node's container as the newest pod has it; nil: there is
// no pod to be seen.
func memoryOf(pods []corev1.Pod) *resource.Quantity {
	var newest *corev1.Pod
	for i := range pods {
		if newest == nil || newest.CreationTimestamp.Before(&pods[i].CreationTimestamp) {
			newest = &pods[i]
		}
	}
	if newest == nil {
		return nil
	}
	for i := range newest.Spec.Containers {
		if c := &newest.Spec.Containers[i]; c.Name == container {
			if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
				return &limit
			}
		}
	}
	return nil
}
