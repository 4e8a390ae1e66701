package kubectl

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
)

// A shell waits for completions, so they do not take longer.
const completeTimeout = 2 * time.Second

const noFiles = cobra.ShellCompDirectiveNoFileComp

// offer asks Kubernetes for words. What cannot be asked is not offered.
func (p *plugin) offer(c *cobra.Command, ask func(context.Context, *access) []string) ([]string, cobra.ShellCompDirective) {
	a, err := p.connect()
	if err != nil {
		return nil, noFiles
	}
	ctx := c.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	return ask(ctx, a), noFiles
}

// completeNames offers clusters for the first argument.
func (p *plugin) completeNames(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return p.offer(c, clusterNames)
}

func clusterNames(ctx context.Context, a *access) []string {
	list := &v1alpha1.SeppenClusterList{}
	if a.List(ctx, list, client.InNamespace(a.namespace)) != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}

func podNames(ctx context.Context, a *access) []string {
	list := &corev1.PodList{}
	if a.List(ctx, list, client.InNamespace(a.namespace), nodes("")) != nil {
		return nil
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}

// completeTargets offers pods and machines for the first argument.
func (p *plugin) completeTargets(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, noFiles
	}
	return p.offer(c, func(ctx context.Context, a *access) []string {
		out := podNames(ctx, a)
		list := &corev1.NodeList{}
		if a.List(ctx, list) == nil {
			for i := range list.Items {
				out = append(out, list.Items[i].Name)
			}
		}
		return out
	})
}

// completeLogs offers clusters and their pods.
func (p *plugin) completeLogs(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return p.offer(c, func(ctx context.Context, a *access) []string {
		if len(args) > 0 {
			return podNames(ctx, a)
		}
		return append(clusterNames(ctx, a), podNames(ctx, a)...)
	})
}

func (p *plugin) completeNamespaces(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return p.offer(c, func(ctx context.Context, a *access) []string {
		list := &corev1.NamespaceList{}
		if a.List(ctx, list) != nil {
			return nil
		}
		var out []string
		for i := range list.Items {
			out = append(out, list.Items[i].Name)
		}
		return out
	})
}
