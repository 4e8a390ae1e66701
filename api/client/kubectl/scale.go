package kubectl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/client/verbs"
	"github.com/eiri/seppen/api/v1alpha1"
)

// fieldOwner is whose the fields are that the plugin sets.
const fieldOwner = client.FieldOwner(Plugin)

// scaling is what the flags of scale say.
type scaling struct {
	shards, copies int32 // 0: as it is
	wait, dryRun   bool
	timeout        time.Duration
}

func scaleCommand(p *plugin) *cobra.Command {
	var s scaling
	c := &cobra.Command{
		Use:   "scale [NAME] [--shards N] [--copies N]",
		Short: "Change how many shards and copies a cluster has",
		Long: `Change how many shards and copies a cluster has, and say which nodes come and go. New
nodes come beside the old ones and copy what they are to hold; the old ones serve until
then. Nothing is lost, and it can be changed again at any time.

` + exitHelp,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeNames,
		RunE: func(c *cobra.Command, args []string) error {
			given := c.Flags().Changed
			if !given("shards") && !given("copies") {
				return verbs.Usage(errors.New("say how many --shards or --copies there are to be"))
			}
			if given("shards") && s.shards < 1 || given("copies") && s.copies < 1 {
				return verbs.Usage(errors.New("there is at least one shard and one copy"))
			}
			a, err := p.connect()
			if err != nil {
				return err
			}
			found, err := a.find(c.Context(), first(args))
			if err != nil {
				return err
			}
			return p.scale(c.Context(), a, found, s, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.Int32Var(&s.shards, "shards", 0, "into how many parts the slots are cut")
	f.Int32Var(&s.copies, "copies", 0, "how many nodes hold each key and value")
	f.BoolVar(&s.dryRun, "dry-run", false, "have the API server check it and say what would happen, no more")
	waitFlags(c, &s.wait, &s.timeout)
	return c
}

func waitFlags(c *cobra.Command, wait *bool, timeout *time.Duration) {
	c.Flags().BoolVar(wait, "wait", false, "wait until it is done, and tell how far it is")
	c.Flags().DurationVar(timeout, "timeout", 0, "with --wait: give up waiting after so long; 0: never. What was begun goes on")
}

func (p *plugin) scale(ctx context.Context, a *access, c *v1alpha1.SeppenCluster, s scaling, out io.Writer) error {
	if len(c.Spec.Ranges) > 0 {
		return fmt.Errorf("%s has hand-written ranges, which take the place of shards and copies: change spec.ranges instead, with kubectl edit seppencluster %s", c.Name, c.Name)
	}
	was := c.DeepCopy()
	was.Default()
	shards, copies := *was.Spec.Shards, *was.Spec.Copies
	if s.shards == 0 {
		s.shards = shards
	}
	if s.copies == 0 {
		s.copies = copies
	}
	// The API server looks at it before anything is said of it.
	if err := a.patchShape(ctx, c.DeepCopy(), s, client.DryRunAll); err != nil {
		return err
	}
	f, err := forecastOf(c, int(s.shards), int(s.copies))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s -> %s\n", c.Name, shapeText(shards, copies), shapeText(s.shards, s.copies))
	for _, line := range f.lines(a.memoryEach(ctx, c)) {
		fmt.Fprintln(out, "  "+line)
	}
	if s.copies == 1 && copies > 1 {
		fmt.Fprintln(out, "  With one copy, what a node holds is lost if its process or machine fails.")
	}
	if s.dryRun {
		fmt.Fprintln(out, "Nothing was changed (--dry-run).")
		return nil
	}
	if err := a.patchShape(ctx, c, s); err != nil {
		return err
	}
	if !s.wait {
		fmt.Fprintln(out, "It is under way; `kubectl seppen status -w` shows it.")
		return nil
	}
	return p.wait(ctx, a, c, s.timeout, out)
}

func shapeText(shards, copies int32) string {
	return count(int(shards), "shard", "shards") + ", " + count(int(copies), "copy", "copies")
}

func (a *access) patchShape(ctx context.Context, c *v1alpha1.SeppenCluster, s scaling, options ...client.PatchOption) error {
	before := c.DeepCopy()
	c.Spec.Shards, c.Spec.Copies = new(s.shards), new(s.copies)
	return explain(a.Patch(ctx, c, client.MergeFrom(before), append(options, fieldOwner)...))
}

// memoryEach is the memory limit of a new node; nil where pods may not be looked at.
func (a *access) memoryEach(ctx context.Context, c *v1alpha1.SeppenCluster) *resource.Quantity {
	pods, err := a.pods(ctx, c)
	if err != nil {
		return nil
	}
	return memoryOf(pods)
}
