// Command seppen is a distributed in-memory key-value store with a REST interface, and
// a client of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client/kubectl"
	"github.com/eiri/seppen/api/client/verbs"
	"github.com/eiri/seppen/controllers/local"
	"github.com/eiri/seppen/controllers/operator"
	"github.com/eiri/seppen/node"
)

// version is set by the linker (see the Makefile); without it the build's own is used.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := commandOf(os.Args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		prefix := root.DisplayName() + ": "
		fmt.Fprintln(os.Stderr, prefix+strings.ReplaceAll(err.Error(), "\n", "\n"+prefix))
	}
	os.Exit(verbs.ExitCode(err))
}

// commandOf is what the program is under the name that it was called by: kubectl finds a
// plugin, and who completes its arguments, by the names of programs.
func commandOf(args []string) *cobra.Command {
	switch strings.TrimSuffix(filepath.Base(args[0]), ".exe") {
	case kubectl.Plugin:
		return kubectl.Command(kubectl.Plugin)
	case kubectl.Completion:
		c := kubectl.Command(kubectl.Plugin)
		c.SetArgs(append([]string{cobra.ShellCompRequestCmd}, args[1:]...))
		return c
	}
	return rootCommand()
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "seppen",
		Short:         "A distributed in-memory key-value store with a REST interface",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownCommand(c, args[0])
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return verbs.Usage(err) })
	root.AddGroup(
		&cobra.Group{ID: "server", Title: "To run it:"},
		&cobra.Group{ID: "client", Title: "To use it:"},
	)
	add(root, "server", serverCommands()...)
	add(root, "client", verbs.Commands()...)
	add(root, "client", kubectl.Command("kubectl"))
	root.AddCommand(versionCommand())
	return root
}

// serverCommands are the commands that run the store: each is one line here.
func serverCommands() []*cobra.Command {
	return []*cobra.Command{local.Command(), node.Command(), operator.Command(versionText())}
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

func unknownCommand(c *cobra.Command, name string) error {
	text := fmt.Sprintf("unknown command %q; see seppen --help", name)
	c.SuggestionsMinimumDistance = 2
	if like := c.SuggestionsFor(name); len(like) > 0 {
		text = fmt.Sprintf("unknown command %q; did you mean %s?", name, strings.Join(like, " or "))
	}
	return verbs.Usage(errors.New(text))
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "seppen %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
