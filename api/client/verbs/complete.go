package verbs

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client"
)

const (
	completeTimeout = time.Second
	completeLimit   = 200
)

// completeKeys offers keys that begin with what was typed.
func (s *server) completeKeys(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	ctx, cancel := context.WithTimeout(context.WithoutCancel(orBackground(c.Context())), completeTimeout)
	defer cancel()
	cl, err := s.client(client.WithRetries(0))
	if err != nil {
		return nil, directive
	}
	defer cl.Close()
	var keys []string
	for info, err := range cl.List(ctx, client.ListOptions{Prefix: typed, Limit: completeLimit}) {
		if err != nil {
			break // what came so far is worth offering
		}
		// A shell takes one word a line, and a tab begins its description.
		if info.Key == printableKey(info.Key) && !slices.Contains(args, info.Key) {
			keys = append(keys, info.Key)
		}
	}
	return keys, directive
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// completeFirstKey offers keys for the first argument and files after it.
func (s *server) completeFirstKey(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return s.completeKeys(c, args, typed)
	case c.Name() == "put" && len(args) == 1:
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// noFiles keeps the shell from offering files as the values of flags.
func noFiles(c *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := c.RegisterFlagCompletionFunc(f, cobra.NoFileCompletions); err != nil {
			panic(err) // a flag of that name does not exist
		}
	}
}
