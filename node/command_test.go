package node

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/command"
)

// Bad values of flags are wrong usage, as unknown flags are.
func TestBadValues(t *testing.T) {
	t.Setenv("SEPPEN_SECRET", "s")
	for args, want := range map[string]string{
		"--name x":                          `--name: node name "x": no range at its end`,
		"--name":                            `--name: node name ""`,
		"--name a-0-255 --memory-limit abc": `--memory-limit: "abc" is not a size`,
		"--name a-0-255 --memory-limit 1":   "--memory-limit: a memory limit of 1 bytes is less than 1 MiB",
		"--name a-0-255 --max-value 0":      "--max-value: must be above 0",
		"--name a-0-255 --log-level loud":   "--log-level",
		"--name a-0-255 --peer-tls-cert x":  "TLS between peers needs all of",
		"--name a-0-255 and more":           `unknown command "and"`,
	} {
		c := Command()
		c.SetArgs(strings.Split(args, " "))
		if args == "--name" {
			c.SetArgs([]string{"--name", ""})
		}
		c.SetOut(io.Discard)
		c.SetErr(io.Discard)
		c.SilenceUsage = true
		err := c.ExecuteContext(t.Context())
		var own interface{ ExitCode() int }
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &own) || own.ExitCode() != command.ExitUsage {
			t.Errorf("%s: %v\nwant wrong usage: %s", args, err, want)
		}
	}
}

// docs/kubernetes.md and the reference have these figures.
func TestDivide(t *testing.T) {
	for _, c := range []struct{ limit, maxValue, store int64 }{
		{100 * mib, 64 * mib, 75 * mib}, // a quarter passes through at most
		{300 * mib, 64 * mib, 236 * mib},
		{1 << 30, 64 * mib, 896 * mib}, // and an eighth at least
		{300 * mib, mib, 300 * mib / 8 * 7},
	} {
		m, err := divide(8<<30, c.limit, c.maxValue)
		if err != nil || m.store != c.store || m.store+m.transit != c.limit {
			t.Errorf("of %d: %+v, %v, want %d for keys and values", c.limit, m, err, c.store)
		}
	}
}
