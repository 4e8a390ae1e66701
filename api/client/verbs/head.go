package verbs

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func headCommand() *cobra.Command {
	var (
		at       server
		etagOnly bool
	)
	c := &cobra.Command{
		Use:   "head KEY",
		Short: "Print what is known of a key: ETag, size, type, time",
		Long: `Print the ETag, size in bytes, content type and time of the last change of a key.

` + exitHelp,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.completeFirstKey,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			info, err := cl.Head(c.Context(), args[0])
			if err != nil {
				return err
			}
			if etagOnly {
				_, err = fmt.Fprintln(c.OutOrStdout(), info.ETag)
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "etag      %s\nsize      %d\ntype      %s\nmodified  %s\n",
				info.ETag, info.Size, printable(info.Type), info.Modified.UTC().Format(http.TimeFormat))
			return err
		},
	}
	at.flags(c.Flags())
	c.Flags().BoolVar(&etagOnly, "etag", false, "print the ETag only, for put --if-match")
	noFiles(c, "url", "timeout")
	return c
}
