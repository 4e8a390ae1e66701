package verbs

import (
	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client"
)

func cpCommand() *cobra.Command {
	var (
		at        server
		noClobber bool
	)
	c := &cobra.Command{
		Use:   "cp SRC DST",
		Short: "Store a key's value under another key and print its ETag",
		Long: `Store the value and content type of key SRC under key DST as well, and print the
value's ETag. The store keeps the value only once.

` + exitHelp,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: at.completeKeys,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			src, err := cl.Get(c.Context(), args[0])
			if err != nil {
				return err
			}
			defer src.Body.Close()
			// What fits into memory can be sent again if it is refused at first.
			value, size, err := readAhead(c.Context(), src.Body)
			if err != nil {
				return err
			}
			if size < 0 {
				size = src.Size
			}
			o := client.PutOptions{Type: src.Type, Size: size}
			if noClobber {
				o.IfNoneMatch = "*"
			}
			return put(c, cl, args[1], value, o)
		},
	}
	at.flags(c.Flags())
	c.Flags().BoolVarP(&noClobber, "no-clobber", "n", false, "store only if DST has no value")
	noFiles(c, "url", "timeout")
	return c
}
