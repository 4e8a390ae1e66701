package verbs

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client"
)

func rmCommand() *cobra.Command {
	var (
		at   server
		cond client.Conditions
	)
	c := &cobra.Command{
		Use:   "rm KEY...",
		Short: "Remove keys",
		Long: `Remove keys, one after the other. A key that cannot be removed does not keep the
others from being removed.

` + exitHelp,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: at.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			var errs []error
			for _, key := range args {
				err := cl.Delete(c.Context(), key, cond)
				errs = append(errs, err)
				if errors.Is(err, context.Canceled) {
					break
				}
			}
			return errors.Join(errs...)
		},
	}
	at.flags(c.Flags())
	c.Flags().StringVar(&cond.IfMatch, "if-match", "", "remove only if the key's value has this ETag")
	noFiles(c, "if-match", "url", "timeout")
	return c
}
