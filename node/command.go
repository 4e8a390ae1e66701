package node

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/command"
	"github.com/eiri/seppen/api/layout"
)

// flags are the command's flags as given.
type flags struct {
	name, listen, peerListen, adminListen string
	secretFile, memoryLimit, maxValue     string
	maxConns                              int
	bodyTimeout, drainTimeout             time.Duration
	leaveTimeout, linger                  time.Duration
	tlsCert, tlsKey, tlsCA                string
	log                                   command.Log
	lifeline                              int
}

// Command is `seppen node`.
func Command() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Run one node of a cluster",
		Long: `Run one node of a cluster until SIGTERM, and until others have taken over what it
holds (--leave-timeout). A second signal ends it at once.

The node's name, {name}-{lo}-{hi}, spells the range of slots that it holds. It serves
nothing before the cluster's author (the operator, or seppen local) has given it a
layout. Every flag can be given as an environment variable: --max-value is
SEPPEN_MAX_VALUE. The secret is read from --secret-file or from SEPPEN_SECRET.`,
		Args: func(c *cobra.Command, args []string) error { return command.Usage(cobra.NoArgs(c, args)) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := command.FromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			return f.run(cmd.Context())
		},
	}
	s := cmd.Flags()
	host, _ := os.Hostname()
	s.StringVar(&f.name, "name", host, "the node's name, which ends with its range")
	s.StringVar(&f.listen, "listen", ":21285", "address of the REST port")
	s.StringVar(&f.peerListen, "peer-listen", ":21286", "address of the peer port")
	s.StringVar(&f.adminListen, "admin-listen", ":21287", "address of the port for health, metrics and status")
	s.StringVar(&f.secretFile, "secret-file", "", "file with the cluster's secret")
	s.StringVar(&f.memoryLimit, "memory-limit", "0", "memory for keys, values and unfinished uploads, such as 512MiB, of which up to a quarter is kept for values that pass through; 0: three quarters of the cgroup's or machine's")
	s.StringVar(&f.maxValue, "max-value", "64MiB", "largest value")
	s.IntVar(&f.maxConns, "max-connections", 0, "most client connections at a time; 0: as the memory allows")
	s.DurationVar(&f.bodyTimeout, "body-timeout", 30*time.Second, "how long a client may take to send each 64 KiB, and half of how long to take each MiB")
	s.DurationVar(&f.drainTimeout, "drain-timeout", 25*time.Second, "how long requests in flight may take when the node stops")
	s.DurationVar(&f.leaveTimeout, "leave-timeout", 0, "after SIGTERM, how long to go on at most until others have taken over what the node holds; 0: it does not wait")
	s.DurationVar(&f.linger, "linger", 0, "after SIGTERM, how long to accept clients at least once others have taken over, until nobody has the node's address any more")
	s.StringVar(&f.tlsCert, "peer-tls-cert", "", "certificate for TLS between nodes, PEM")
	s.StringVar(&f.tlsKey, "peer-tls-key", "", "its key, PEM")
	s.StringVar(&f.tlsCA, "peer-tls-ca", "", "the authority that signs the nodes' certificates, PEM")
	f.log.Register(s)
	s.IntVar(&f.lifeline, "lifeline", 0, "file descriptor whose end stops the node")
	_ = s.MarkHidden("lifeline")
	return cmd
}

func (f *flags) run(ctx context.Context) error {
	log, err := f.log.Logger("node", f.name)
	if err != nil {
		return err
	}
	cfg, mem, err := f.config(log)
	if err != nil {
		return err
	}
	mem.apply()
	return Serve(ctx, cfg, mem, log)
}

// Serve runs a node until the context ends. A node that was removed from the layout while it
// lived goes on with empty memory, as another incarnation.
func Serve(ctx context.Context, cfg Config, mem memory, log *slog.Logger) error {
	for {
		n, err := New(cfg, mem, log)
		if err != nil {
			return err
		}
		err = n.Run(ctx)
		if !n.wiped {
			return err
		}
		log.Warn("this node was removed from the layout; it begins anew, with empty memory")
	}
}

func (f *flags) config(log *slog.Logger) (cfg Config, mem memory, err error) {
	cfg = Config{
		Listen: f.listen, PeerListen: f.peerListen, AdminListen: f.adminListen,
		MaxConns: f.maxConns, BodyTimeout: f.bodyTimeout, DrainTimeout: f.drainTimeout,
		LeaveTimeout: f.leaveTimeout, Linger: f.linger,
	}
	if cfg.Name, err = layout.ParseName(f.name); err != nil {
		return cfg, mem, command.Usage(fmt.Errorf("--name: %w", err))
	}
	var isDefault bool
	if cfg.Secret, isDefault, err = readSecret(f.secretFile); err != nil {
		return cfg, mem, err
	}
	if isDefault {
		log.Warn("the secret is the one that everyone knows; set --secret-file or SEPPEN_SECRET")
	}
	if cfg.MemoryLimit, err = parseBytes(f.memoryLimit); err != nil {
		return cfg, mem, command.Usage(fmt.Errorf("--memory-limit: %w", err))
	}
	if cfg.MaxValue, err = parseBytes(f.maxValue); err == nil && cfg.MaxValue == 0 {
		err = fmt.Errorf("must be above 0")
	}
	if err != nil {
		return cfg, mem, command.Usage(fmt.Errorf("--max-value: %w", err))
	}
	if cfg.PeerTLSServer, cfg.PeerTLSClient, err = peerTLS(f.tlsCert, f.tlsKey, f.tlsCA); err != nil {
		return cfg, mem, err
	}
	if f.lifeline > 0 {
		cfg.Lifeline = os.NewFile(uintptr(f.lifeline), "lifeline")
	}
	total, err := available()
	if err != nil {
		return cfg, mem, err
	}
	mem, err = divide(total, cfg.MemoryLimit, cfg.MaxValue)
	if err != nil {
		return cfg, mem, command.Usage(fmt.Errorf("--memory-limit: %w", err))
	}
	log.Info("memory", "available", total, "store", mem.store, "transit", mem.transit, "heap", mem.heap, "connections", mem.conns)
	return cfg, mem, nil
}
