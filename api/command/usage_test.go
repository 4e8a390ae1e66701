package command

import (
	"errors"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// What flags do not take is said in words that need no knowledge of Go.
func TestUsage(t *testing.T) {
	var log Log
	s := pflag.NewFlagSet("x", pflag.ContinueOnError)
	log.Register(s)
	s.IntP("shards", "s", 3, "")
	s.Duration("wait", time.Second, "")
	s.Bool("restart", true, "")
	for _, c := range []struct {
		args, env []string
		want      string
	}{
		{args: []string{"--shards", "abc"}, want: `--shards "abc": must be a whole number`},
		{args: []string{"-s", "1.5"}, want: `--shards "1.5": must be a whole number`},
		{args: []string{"--wait", "soon"}, want: `--wait "soon": must be a time such as 30s or 5m`},
		{args: []string{"--restart=maybe"}, want: `--restart "maybe": must be true or false`},
		{args: []string{"--nope"}, want: `unknown flag: --nope`},
		{env: []string{"SEPPEN_SHARDS", "abc"}, want: `SEPPEN_SHARDS: --shards "abc": must be a whole number`},
		{args: []string{"--log-level", "loud"}, want: `--log-level "loud": must be debug, info, warn or error`},
		{args: []string{"--log-level", "info", "--log-format", "xml"}, want: `--log-format "xml": must be json, text or auto`},
	} {
		if c.env != nil {
			s.Lookup("shards").Changed = false
			t.Setenv(c.env[0], c.env[1])
		}
		err := Usage(s.Parse(c.args))
		if err == nil && c.env != nil {
			err = FromEnvironment(s)
		}
		if err == nil {
			_, err = log.Logger()
		}
		var own interface{ ExitCode() int }
		if err == nil || err.Error() != c.want || !errors.As(err, &own) || own.ExitCode() != ExitUsage {
			t.Errorf("%v: %v\nwant %s", c.args, err, c.want)
		}
	}
	if Usage(nil) != nil {
		t.Error("no error is one")
	}
}
