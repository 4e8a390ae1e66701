package local

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/eiri/seppen/api/command"
	"github.com/eiri/seppen/api/layout"
)

const (
	host = "127.0.0.1"

	// Node i has its REST port at Port + i·portStep, its peer port one above that and
	// its admin port two above.
	portStep    = 10
	peerOffset  = 1
	adminOffset = 2
	lastPort    = 1<<16 - 1

	maxNodes = layout.MaxShards
	// A secret has to fit in a pipe that nobody reads yet; POSIX promises this much.
	maxSecret = 4096

	minMemory = 32 << 20
)

// Config says which cluster to run.
type Config struct {
	Names  []layout.Name // of the first nodes
	Base   string        // what later ones are called after; empty: as the first one
	Port   int           // REST port of the first node
	Secret string        // 1 to 4096 bytes, without a line break at its end

	Restart bool // start a node again that died
	Limits
	Verbose bool // pass on all that the nodes log, not only warnings and errors

	// Changes are what is wanted instead, one after the other; nil: nothing ever.
	Changes <-chan Change

	Executable string          // the program that knows `node`; empty: this one
	Stdout     io.Writer       // table, curl session, ready, stopped
	Stderr     io.Writer       // what the nodes log, and what happens to them
	Kill       <-chan struct{} // closed: do not wait for nodes to stop by themselves

	startTimeout time.Duration // until all nodes must be ready; 0: 3 minutes
}

// Limits are what can be chosen about all nodes.
type Limits struct {
	MemoryLimit   int64 // of each node, bytes; 0: an equal share of half of what this machine or its cgroup has
	MaxValue      int64 // largest value, bytes; 0: what `seppen node` takes by itself
	MaxSurge      int   // how many nodes are replaced at a time; 0: one
	TransferLimit int64 // how many bytes a node that joins copies each second at most; 0: there is no limit
}

// Change is what is wanted of a cluster from now on.
type Change struct {
	Names []layout.Name // what counts of them is their ranges
	Limits
}

// check tells what is wrong with the configuration, and fills in what was left open.
func (c *Config) check() error {
	if err := c.checkValues(); err != nil {
		return command.Usage(err)
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = memoryShare(machineMemory(), len(c.Names))
	}
	if c.Base == "" {
		c.Base = c.Names[0].Base
	}
	if c.Executable == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program to start nodes from: %w", err)
		}
		c.Executable = self
	}
	if c.startTimeout == 0 {
		c.startTimeout = startTimeout
	}
	return c.checkPorts()
}

func (c *Config) checkValues() error {
	if len(c.Names) == 0 {
		return errors.New("no node names given")
	}
	if len(c.Names) > maxNodes {
		return fmt.Errorf("%d nodes: at most %d run on one machine", len(c.Names), maxNodes)
	}
	if gaps := layout.Uncovered(c.Names); len(gaps) > 0 {
		return fmt.Errorf("no node holds slots %s", spell(gaps))
	}
	if c.Secret == "" || len(c.Secret) > maxSecret {
		return fmt.Errorf("a secret of %d bytes: must be 1 to %d", len(c.Secret), maxSecret)
	}
	if strings.TrimRight(c.Secret, "\r\n") != c.Secret {
		// A node takes it for the end of the file that it reads the secret from.
		return errors.New("the secret ends with a line break")
	}
	if c.MemoryLimit < 0 || c.MaxValue < 0 {
		return errors.New("a limit below zero")
	}
	return nil
}

// checkPorts sees that every port is free, so that the usual mistake, a cluster that
// runs already, is told before anything has been started.
func (c *Config) checkPorts() error {
	last := c.Port + portStep*(len(c.Names)-1) + adminOffset
	if c.Port < 1 || last > lastPort {
		return command.Usage(fmt.Errorf("%d nodes need ports %d to %d, and ports are 1 to %d: choose another --port, at most %d",
			len(c.Names), c.Port, last, lastPort, lastPort-last+c.Port))
	}
	for i, name := range c.Names {
		for offset, what := range []string{"REST", "peer", "admin"} {
			port := c.Port + portStep*i + offset
			if err := tryPort(port); err != nil {
				return fmt.Errorf("port %d, the %s port of %s, %w; this cluster takes ports from %d to %d: choose another first port with --port",
					port, what, name, err, c.Port, last)
			}
		}
	}
	return nil
}

func tryPort(port int) error {
	l, err := net.Listen("tcp", address(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return errors.New("is in use")
	}
	if err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	return l.Close()
}

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// machineMemory is how much memory this machine has, or our cgroup may use if that is
// less; 0 if neither says.
func machineMemory() int64 {
	var least uint64
	for _, provider := range []memlimit.Provider{memlimit.FromSystem, memlimit.FromCgroup} {
		if n, err := provider(); err == nil && (least == 0 || n < least) {
			least = n
		}
	}
	return int64(min(least, 1<<62))
}

// memoryShare is a node's share: all nodes together take half.
func memoryShare(machine int64, nodes int) int64 {
	return max(machine/2/int64(nodes), minMemory)
}
