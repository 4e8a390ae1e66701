package verbs

import (
	"context"
	"errors"

	"github.com/eiri/seppen/api/client"
	"github.com/eiri/seppen/api/command"
)

// The exit codes, for scripts. docs/cli.md has them too.
const (
	ExitOther        = 1
	ExitUsage        = command.ExitUsage
	ExitNotFound     = 3
	ExitPrecondition = 4
	ExitUnavailable  = 5
	ExitUnknown      = 6
	ExitRefused      = 7
	ExitInterrupted  = 130
)

const exitHelp = `Exit codes:
  0  done
  1  another error
  2  wrong usage
  3  the key was not found
  4  a precondition failed (--if-match, --if-none-match, --no-clobber)
  5  unavailable: not executed, may be tried again
  6  the outcome of a write is unknown: look before you try again
  7  refused for the value's size or for want of memory
  130  interrupted`

// Usage marks an error as one in how a command was called.
func Usage(err error) error { return command.Usage(err) }

// ExitCode is the exit code of a command that returned err. Of several errors the one
// counts after which the caller knows least. An error may have a code of its own.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var own interface{ ExitCode() int }
	if errors.As(err, &own) {
		return own.ExitCode()
	}
	for _, c := range []struct {
		err  error
		code int
	}{
		{context.Canceled, ExitInterrupted},
		{client.ErrUnknown, ExitUnknown},
		{client.ErrUnavailable, ExitUnavailable},
		{client.ErrTooLarge, ExitRefused},
		{client.ErrNoMemory, ExitRefused},
		{client.ErrPrecondition, ExitPrecondition},
		{client.ErrKey, ExitUsage},
		{client.ErrRequest, ExitUsage},
		{client.ErrNotFound, ExitNotFound},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return ExitOther
}
