// Package verbs is the REST interface on the command line: put, get, head, rm, ls, cp
// and status.
package verbs

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/eiri/seppen/api/client"
)

// Where the store is, if no flag says it.
const (
	envURL      = "SEPPEN_URL"
	envAdminURL = "SEPPEN_ADMIN_URL"
)

// Commands returns the verbs. Their errors are for ExitCode.
func Commands() []*cobra.Command {
	all := []*cobra.Command{putCommand(), getCommand(), headCommand(), rmCommand(), lsCommand(), cpCommand(), statusCommand()}
	for _, c := range all {
		c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage(err) })
		if args := c.Args; args != nil {
			c.Args = func(c *cobra.Command, given []string) error { return Usage(args(c, given)) }
		}
	}
	return all
}

// server is where a command finds the store and how long it waits for it.
type server struct {
	url     string
	timeout time.Duration
}

func (s *server) flags(f *pflag.FlagSet) {
	f.StringVar(&s.url, "url", fromEnv(envURL, client.DefaultURL), "where the store is (or "+envURL+")")
	s.timeoutFlag(f)
}

func (s *server) timeoutFlag(f *pflag.FlagSet) {
	f.DurationVar(&s.timeout, "timeout", 30*time.Second, "give up when nothing was sent or received for this long; 0: never")
}

func (s *server) client(options ...client.Option) (*client.Client, error) {
	if s.timeout < 0 {
		return nil, Usage(fmt.Errorf("--timeout %v is negative", s.timeout))
	}
	c, err := client.New(s.url, append([]client.Option{client.WithIdleTimeout(s.timeout)}, options...)...)
	if err != nil {
		return nil, Usage(err)
	}
	return c, nil
}

func fromEnv(name, otherwise string) string { return cmp.Or(os.Getenv(name), otherwise) }

// isTerminal tells whether a person reads what is written there. Tests replace it.
var isTerminal = onTerminal

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
