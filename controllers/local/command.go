package local

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eiri/seppen/api/command"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

const (
	defaultBase   = "snow"
	defaultPort   = 21285
	defaultSecret = "snowflake"
	secretEnv     = "SEPPEN_SECRET"
	leastLimit    = 1 << 20 // less memory a node does not take
)

type options struct {
	file, base     string
	shards, copies int
	nodes          []string
	port           int
	secret, memory string
	restart        bool
	verbose        bool
	seen           *v1alpha1.SeppenCluster // what the file said last
}

// Command is `seppen local`.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "local [-f FILE | --shards N --copies N | --nodes NAME,...]",
		Short: "Run a whole cluster on this machine",
		Long: `Run a whole cluster on this machine: each node is a process of its own, on
loopback addresses only. Node i takes three ports: REST on --port + 10·i, peers one
above that, health and metrics two above.

All data is in memory: it goes with the cluster, which Ctrl-C stops. With two or more
copies any node may be killed: the others go on, it is started again and copies what it
had. What happens is said on standard error.

With -f, SIGHUP has the file read again: nodes come and go until the cluster is as it
says, and nothing is lost. What was changed is said on standard error. A node that is told to stop by SIGTERM is replaced first.`,
		Example: `  seppen local
  seppen local --shards 8 --copies 3
  seppen local --nodes a-0-169,b-85-255,c-170-84
  seppen local -f seppencluster.yaml`,
		Args:         func(c *cobra.Command, args []string) error { return command.Usage(cobra.NoArgs(c, args)) },
		SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.config(cmd.Flags())
			if err != nil {
				return err
			}
			cfg.Stdout, cfg.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			ctx, kill, release := interrupts(cmd.Context())
			defer release()
			cfg.Kill = kill
			changes, done := o.changes(cmd.ErrOrStderr())
			defer done()
			cfg.Changes = changes
			return Run(ctx, cfg)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "file", "f", "", "run the SeppenCluster in this file")
	f.IntVar(&o.shards, "shards", v1alpha1.DefaultShards, "number of parts into which keys and values are cut, 1 to 256")
	f.IntVar(&o.copies, "copies", v1alpha1.DefaultCopies, "number of nodes that hold each key and value")
	f.StringSliceVar(&o.nodes, "nodes", nil, "names of the nodes, each {name}-{lo}-{hi}, instead of --shards and --copies")
	f.StringVar(&o.base, "name", defaultBase, "first part of the nodes' names, with --shards and --copies")
	f.IntVar(&o.port, "port", defaultPort, "REST port of the first node")
	f.StringVar(&o.secret, "secret", defaultSecret, "the cluster's secret; "+secretEnv+" in the environment does the same unseen")
	f.BoolVar(&o.restart, "restart", true, "start a node again that died; it copies what the others have")
	f.StringVar(&o.memory, "memory-limit", "", "memory of each node in bytes, or as 512MiB; up to a quarter of it is kept for values that pass through, the rest holds keys, values and unfinished uploads (default an equal share of half of this machine's)")
	f.BoolVar(&o.verbose, "verbose", false, "show all that the nodes log, not only warnings and errors")
}

// config is what the flags ask for.
func (o *options) config(flags *pflag.FlagSet) (Config, error) {
	c := Config{Port: o.port, Secret: o.secret, Restart: o.restart, Verbose: o.verbose}
	if s := os.Getenv(secretEnv); s != "" && !flags.Changed("secret") {
		c.Secret = s
	}
	if err := exclusive(flags); err != nil {
		return c, command.Usage(err)
	}
	var err error
	if flags.Changed("file") {
		err = o.fromFile(&c)
	} else {
		err = command.Usage(o.named(&c, flags.Changed("nodes")))
	}
	if err == nil && o.memory != "" {
		c.MemoryLimit, err = bytes(o.memory)
	}
	return c, err
}

// named takes the nodes from the flags.
func (o *options) named(c *Config, byHand bool) (err error) {
	if byHand {
		c.Names, err = layout.ParseNames(o.nodes)
		return err
	}
	if err := checkName(o.base); err != nil {
		return err
	}
	c.Base = o.base
	c.Names, err = layout.Names(o.base, o.shards, o.copies)
	return err
}

// checkName refuses what a file's metadata.name may not be.
func checkName(name string) error {
	var cluster v1alpha1.SeppenCluster
	cluster.Name = name
	cluster.Default()
	if faults := cluster.Validate(); len(faults) > 0 {
		return fmt.Errorf("--name %q: %s", name, faults[0].Detail)
	}
	return nil
}

// exclusive refuses two answers to the question which nodes there are.
func exclusive(flags *pflag.FlagSet) error {
	for _, pair := range [][2]string{
		{"file", "nodes"},
		{"file", "shards"}, {"file", "copies"}, {"file", "name"},
		{"nodes", "shards"}, {"nodes", "copies"}, {"nodes", "name"},
	} {
		if flags.Changed(pair[0]) && flags.Changed(pair[1]) {
			return fmt.Errorf("--%s and --%s both say which nodes there are: give one of -f, --nodes, or --shards and --copies",
				pair[0], pair[1])
		}
	}
	return nil
}

func (o *options) fromFile(c *Config) error {
	cluster, change, err := read(o.file)
	if err != nil {
		return err
	}
	o.seen = cluster
	c.Base, c.Names, c.Limits = cluster.Name, change.Names, change.Limits
	return nil
}

// read is the cluster in a file, and what it asks for.
func read(path string) (cluster *v1alpha1.SeppenCluster, c Change, err error) {
	cluster, err = v1alpha1.ReadFile(path)
	if err != nil {
		return nil, c, err
	}
	spec := &cluster.Spec
	if spec.MemoryLimit != nil {
		c.MemoryLimit = spec.MemoryLimit.Value()
	}
	if spec.ValueSizeLimit != nil {
		c.MaxValue = spec.ValueSizeLimit.Value()
	}
	c.MaxSurge, c.TransferLimit = spec.MaxSurge(), spec.TransferLimit()
	c.Names, err = cluster.Nodes()
	return cluster, c, err
}

func bytes(s string) (int64, error) {
	q, err := resource.ParseQuantity(strings.TrimSuffix(s, "B"))
	if err != nil || q.Sign() <= 0 {
		return 0, command.Usage(fmt.Errorf("--memory-limit %q: must be a number of bytes, such as 536870912 or 512MiB", s))
	}
	if q.Value() < leastLimit {
		return 0, command.Usage(fmt.Errorf("--memory-limit %q: must be 1 MiB at least", s))
	}
	return q.Value(), nil
}

// interrupts returns a context that the first SIGINT or SIGTERM ends, and a channel
// that the second closes.
func interrupts(parent context.Context) (ctx context.Context, kill <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancel(parent)
	second := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	released := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, do := range []func(){cancel, func() { close(second) }} {
			select {
			case <-signals:
				do()
			case <-released:
				return
			}
		}
	}()
	return ctx, second, func() {
		signal.Stop(signals)
		close(released)
		<-done
		cancel()
	}
}
