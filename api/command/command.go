// Package command is what the commands that run for long share: flags that may come
// from the environment, and logs.
package command

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// FromEnvironment sets the flags that were not given from SEPPEN_* variables: --max-value
// from SEPPEN_MAX_VALUE.
func FromEnvironment(s *pflag.FlagSet) error {
	var err error
	s.VisitAll(func(f *pflag.Flag) {
		name := "SEPPEN_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		v, ok := os.LookupEnv(name)
		if !ok || f.Changed || err != nil {
			return
		}
		if e := s.Set(f.Name, v); e != nil {
			err = Usage(fmt.Errorf("%s: %w", name, plain(e)))
		}
	})
	return err
}

// Log is how to log, as flags say it.
type Log struct{ format, level string }

// Register adds the flags.
func (l *Log) Register(s *pflag.FlagSet) {
	s.StringVar(&l.format, "log-format", "auto", "json, text, or auto: text on a terminal")
	s.StringVar(&l.level, "log-level", "info", "debug, info, warn or error")
}

// Logger logs to standard error. The attributes stand in each line of JSON.
func (l *Log) Logger(attributes ...any) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, Usage(fmt.Errorf("--log-level %q: must be debug, info, warn or error", l.level))
	}
	opt := &slog.HandlerOptions{Level: level}
	text := l.format == "text"
	switch l.format {
	case "json", "text":
	case "auto":
		text = term.IsTerminal(int(os.Stderr.Fd()))
	default:
		return nil, Usage(fmt.Errorf("--log-format %q: must be json, text or auto", l.format))
	}
	if text {
		return slog.New(slog.NewTextHandler(os.Stderr, opt)), nil
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, opt)).With(attributes...), nil
}
