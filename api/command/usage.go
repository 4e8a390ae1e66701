package command

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// ExitUsage is the exit code of a command that was called in a wrong way.
const ExitUsage = 2

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func (e usageError) ExitCode() int { return ExitUsage }

// Usage marks an error as one in how a command was called.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{plain(err)}
}

// kinds are what flags of each type take, in words.
var kinds = map[string]string{
	"bool":     "true or false",
	"duration": "a time such as 30s or 5m",
	"int":      "a whole number",
	"int64":    "a whole number",
}

// plain says what a flag takes, and not which function of Go did not take its value.
func plain(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	f := bad.GetFlag()
	kind := kinds[f.Value.Type()]
	if kind == "" {
		return err
	}
	return fmt.Errorf("--%s %q: must be %s", f.Name, bad.GetValue(), kind)
}
