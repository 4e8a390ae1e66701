package kubectl

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
)

// restartedAt is an annotation of the pods: a template with another one is another template.
const restartedAt = "seppen.io/restarted-at"

func restartCommand(p *plugin) *cobra.Command {
	var (
		wait    bool
		timeout time.Duration
	)
	c := &cobra.Command{
		Use:   "restart [NAME]",
		Short: "Replace all nodes of a cluster by new ones, without losing anything",
		Long: `Replace all nodes of a cluster, spec.updateStrategy.maxSurge at a time, each by a new one
that comes beside it and copies what it holds. It sets the annotation
` + restartedAt + ` of the pods' template.

` + exitHelp,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeNames,
		RunE: func(c *cobra.Command, args []string) error {
			a, err := p.connect()
			if err != nil {
				return err
			}
			found, err := a.find(c.Context(), first(args))
			if err != nil {
				return err
			}
			if err := p.restart(c.Context(), a, found, c.OutOrStdout()); err != nil || !wait {
				return err
			}
			return p.wait(c.Context(), a, found, timeout, c.OutOrStdout())
		},
	}
	waitFlags(c, &wait, &timeout)
	return c
}

func (p *plugin) restart(ctx context.Context, a *access, c *v1alpha1.SeppenCluster, out io.Writer) error {
	before := c.DeepCopy()
	if c.Spec.PodTemplate == nil {
		c.Spec.PodTemplate = &v1alpha1.PodTemplate{}
	}
	t := c.Spec.PodTemplate
	if t.Metadata == nil {
		t.Metadata = &v1alpha1.PodMetadata{}
	}
	if t.Metadata.Annotations == nil {
		t.Metadata.Annotations = make(map[string]string)
	}
	t.Metadata.Annotations[restartedAt] = p.now().UTC().Format(time.RFC3339)
	if err := a.Patch(ctx, c, client.MergeFrom(before), fieldOwner); err != nil {
		return explain(err)
	}
	nodes, at := len(before.Status.Nodes), before.Spec.MaxSurge()
	fmt.Fprintf(out, "%s: %s replaced, %d at a time, each by a new one beside it.%s\n",
		c.Name, count(nodes, "node is", "nodes are"), at, surge(min(at, nodes), a.memoryEach(ctx, c)))
	return nil
}
