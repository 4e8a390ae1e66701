package local

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/eiri/seppen/api/layout"
)

func TestFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	write := func(spec string) {
		yaml := "apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata:\n  name: drift\nspec:\n" + spec
		if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(secretEnv, "")
	for _, c := range []struct {
		args  string
		spec  string
		names string
		limit int64
		err   string
	}{
		{args: "", names: "snow-0-169 snow-85-255 snow-170-84"},
		{args: "--shards 2 --copies 1 --name x", names: "x-0-127 x-128-255"},
		{args: "--nodes a-0-169,b-85-255,c-170-84 --memory-limit 64MiB", names: "a-0-169 b-85-255 c-170-84", limit: 64 << 20},
		{args: "-f FILE", spec: "  {shards: 2, copies: 1, memoryLimit: 100Mi}", names: "drift-0-127 drift-128-255", limit: 100 << 20},
		{args: "-f FILE --memory-limit 2000000", spec: "  {ranges: [p-0-99, q-100-255], memoryLimit: 100Mi}", names: "p-0-99 q-100-255", limit: 2000000},
		{args: "-f FILE", spec: "  {sharts: 2}", err: "sharts"},
		{args: "-f nowhere", err: "no such file"},
		{args: "-f FILE --shards 2", err: "--file and --shards both say which nodes there are"},
		{args: "-f FILE --nodes a-0-255", err: "--file and --nodes both"},
		{args: "--copies 2 --nodes a-0-255", err: "--nodes and --copies both"},
		{args: "--nodes a-0-254", err: "no node holds slots 255"},
		{args: "--nodes a", err: "no range at its end"},
		{args: "--shards 257", err: "257 shards"},
		{args: "--memory-limit much", err: `--memory-limit "much"`},
		{args: "--memory-limit -1", err: `--memory-limit "-1"`},
		{args: "--memory-limit 1", err: `--memory-limit "1": must be 1 MiB at least`},
		{args: "--shards 0", err: "0 shards"},
		{args: "--name Bad_Name", err: `--name "Bad_Name": a DNS-1035 label must`},
		{args: "--name " + strings.Repeat("d", 41), err: "may not be more than 40 bytes"},
		{args: "--secrets x", err: "unknown flag"},
	} {
		write(c.spec)
		var o options
		flags := pflag.NewFlagSet("local", pflag.ContinueOnError)
		o.register(flags)
		err := flags.Parse(strings.Fields(strings.ReplaceAll(c.args, "FILE", file)))
		var got Config
		if err == nil {
			got, err = o.config(flags)
		}
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.args, err, c.err)
			}
			// What is wrong with a file is not wrong usage, and unknown flags are the root's affair.
			var own interface{ ExitCode() int }
			if usage := c.spec == "" && c.args != "-f nowhere" && c.err != "unknown flag"; errors.As(err, &own) != usage {
				t.Errorf("%s: wrong usage: %v, want %v", c.args, !usage, usage)
			}
			continue
		}
		var names []string
		for _, n := range got.Names {
			names = append(names, n.String())
		}
		if d := cmp.Diff(strings.Fields(c.names), names); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", c.args, err, d)
		}
		if got.MemoryLimit != c.limit || got.Port != 21285 || !got.Restart || got.Secret != "snowflake" {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}

func TestSecretFromEnvironment(t *testing.T) {
	t.Setenv(secretEnv, "unseen")
	for args, want := range map[string]string{"": "unseen", "--secret=seen": "seen"} {
		var o options
		flags := pflag.NewFlagSet("local", pflag.ContinueOnError)
		o.register(flags)
		if err := flags.Parse(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if c, err := o.config(flags); err != nil || c.Secret != want {
			t.Errorf("%q: %q, %v", args, c.Secret, err)
		}
	}
}

func TestCheck(t *testing.T) {
	all := func(shards int) []layout.Name {
		names, err := layout.Names("x", shards, 1)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"ports end", Config{Names: all(256), Port: 62984, Secret: "s"}, "256 nodes need ports 62984 to 65536, and ports are 1 to 65535: choose another --port, at most 62983"},
		{"no port", Config{Names: all(1), Port: 0, Secret: "s"}, "1 nodes need ports 0 to 2"},
		{"no names", Config{Port: 9, Secret: "s"}, "no node names"},
		{"a gap", Config{Names: all(2)[:1], Port: 9, Secret: "s"}, "no node holds slots 128-255"},
		{"too many", Config{Names: slices.Repeat(all(1), 257), Port: 9, Secret: "s"}, "257 nodes"},
		{"no secret", Config{Names: all(1), Port: 9}, "a secret of 0 bytes"},
		{"long secret", Config{Names: all(1), Port: 9, Secret: strings.Repeat("s", 4097)}, "a secret of 4097 bytes"},
		{"secret with a newline", Config{Names: all(1), Port: 9, Secret: "s\n"}, "line break"},
		{"no memory", Config{Names: all(1), Port: 9, Secret: "s", Limits: Limits{MemoryLimit: -1}}, "below zero"},
	} {
		if err := Run(t.Context(), c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if last := defaultPort + portStep*(maxNodes-1) + adminOffset; last > lastPort {
		t.Errorf("the default port is too high for %d nodes", maxNodes)
	}
}

func TestMemoryShare(t *testing.T) {
	for _, c := range []struct {
		machine int64
		nodes   int
		want    int64
	}{{8 << 30, 4, 1 << 30}, {8 << 30, 256, 32 << 20}, {0, 1, 32 << 20}} {
		if got := memoryShare(c.machine, c.nodes); got != c.want {
			t.Errorf("%d nodes share %d bytes: %d, want %d", c.nodes, c.machine, got, c.want)
		}
	}
	if machineMemory() < minMemory {
		t.Error("this machine has no memory")
	}
}

func TestChatter(t *testing.T) {
	for line, want := range map[string]bool{
		`time=2026-01-01T00:00:00Z level=INFO msg="level=ERROR"`: true,
		`time=2026-01-01T00:00:00Z level=DEBUG msg=x`:            true,
		`time=2026-01-01T00:00:00Z level=WARN msg="level=INFO"`:  false,
		`panic: runtime error`:                                   false,
	} {
		if got := chatter(line); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestLosses(t *testing.T) {
	names, err := layout.Names("x", 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	l := &layout.Layout{Cluster: layout.ID{1}, Epoch: 1}
	for i, n := range names {
		l.Members = append(l.Members, layout.Member{Name: n, Address: "h:1", Incarnation: layout.ID{byte(i + 1)}, JoinEpoch: 1, Phase: layout.Serving})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	for _, c := range []struct {
		dead  byte
		alive []byte
		want  string
	}{
		{1, []byte{2, 3, 4}, "Its memory is gone: 1 copy is left of slots 0-127."},
		{4, []byte{2, 3}, "Its memory is gone: no copy is left of slots 0-63, 1 copy is left of slots 192-255."},
		{4, nil, "Its memory is gone: no copy is left of slots 192-63."},
		{9, []byte{1, 2, 3, 4}, "It held nothing."},
	} {
		alive := map[layout.ID]bool{}
		for _, b := range c.alive {
			alive[layout.ID{b}] = true
		}
		if got := losses(l, layout.ID{c.dead}, alive); got != c.want {
			t.Errorf("%d dies, %v live: %s\nwant %s", c.dead, c.alive, got, c.want)
		}
	}
	one := &layout.Layout{Cluster: layout.ID{1}, Epoch: 1, Members: l.Members[:1:1]}
	one.Members[0].Name.Range = layout.Range{Lo: 10, Hi: 9}
	one.Segments = layout.SegmentsOf(one.Members, 1)
	if got, want := losses(one, layout.ID{1}, nil), "Its memory is gone: no copy is left of slots 0-255."; got != want {
		t.Error(got)
	}
}
