//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/eiri/seppen/api/uid"
)

// copyBench measures how a node that joins copies what another one has, on one link: the rate
// as a share of a plain stream's, and what clients of the other node notice. copy.sh runs it.
type copyBench struct {
	link     string
	from, to place
	text     bool // values that compress
	rounds   int
	size     int
	total    int64
	load     openLoad
	quiet    time.Duration
	nodes    *nodes
	sender   string // the address of the plain stream
	results  []copyRound
}

// place is where processes run: a network namespace, or this one.
type place struct {
	self, namespace, ip string
}

// command is how a program is run there.
func (p *place) command(program string, args ...string) []string {
	command := append([]string{program}, args...)
	if p.namespace != "" {
		command = append([]string{"ip", "netns", "exec", p.namespace}, command...)
	}
	return command
}

// address is one for the use of a server there.
func (p *place) address(port int) (string, error) {
	if p.namespace != "" {
		return p.ip + ":" + strconv.Itoa(port), nil // nobody else is there
	}
	ports, err := freePorts(1)
	if err != nil {
		return "", err
	}
	return ports[0], nil
}

func copying(args []string) error {
	var c copyBench
	var mib int
	seppen := ""
	flags := flag.NewFlagSet("copy", flag.ExitOnError)
	flags.StringVar(&c.link, "link", "loopback", "what the link is called in the table")
	flags.StringVar(&c.from.namespace, "from-namespace", "", "network namespace of the node that has the values")
	flags.StringVar(&c.to.namespace, "to-namespace", "", "network namespace of the node that joins")
	flags.StringVar(&c.from.ip, "from-ip", "127.0.0.1", "its address")
	flags.StringVar(&c.to.ip, "to-ip", "127.0.0.1", "its address")
	flags.BoolVar(&c.text, "text", false, "values that compress")
	flags.IntVar(&c.rounds, "rounds", 3, "of all measurements")
	flags.IntVar(&c.size, "size", 4<<10, "bytes of a value")
	flags.IntVar(&mib, "mib", 1024, "of values together")
	flags.IntVar(&c.load.perSecond, "requests", 1000, "of clients in a second")
	flags.IntVar(&c.load.conns, "conns", 8, "of clients")
	flags.DurationVar(&c.quiet, "quiet", 5*time.Second, "how long clients are measured alone")
	flags.StringVar(&seppen, "seppen", "bin/seppen", "the program")
	_ = flags.Parse(args) // it ends the process
	c.total = int64(mib) << 20 / int64(c.size) * int64(c.size)
	c.load.size, c.load.keys = 4<<10, 1000
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.from.self, c.to.self = self, self
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return c.run(ctx, seppen)
}

func (c *copyBench) run(ctx context.Context, seppen string) error {
	dir, err := os.MkdirTemp("", "seppen-copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system cleans up too
	secret := []byte("a secret of the bench")
	c.nodes = &nodes{dir: dir, seppen: seppen, secretFile: filepath.Join(dir, "secret")}
	if err := os.WriteFile(c.nodes.secretFile, secret, 0o600); err != nil {
		return err
	}
	if c.nodes.secret, err = uid.NewSecret(secret); err != nil {
		return err
	}
	defer c.nodes.stop()
	if c.nodes.from, err = c.nodes.start(ctx, &c.from, "has"); err != nil {
		return err
	}
	if err := c.nodes.layout(ctx, nil); err != nil {
		return err
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	for i := range c.rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", c.link, i+1, c.rounds)
		if err := c.round(ctx); err != nil {
			return err
		}
	}
	c.report()
	return nil
}

// prepare fills the node and starts the sender of plain streams.
func (c *copyBench) prepare(ctx context.Context) error {
	c.load.address = c.nodes.from.rest
	began := time.Now()
	if err := c.load.fill("load", c.load.keys, noise); err != nil {
		return err
	}
	fill := c.load
	fill.size = c.size
	value := noise
	if c.text {
		value = words
	}
	if err := fill.fill("value", int(c.total/int64(c.size)), value); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: filled in %v\n", c.link, time.Since(began).Round(time.Second))
	address, err := c.from.address(21300)
	if err != nil {
		return err
	}
	command := c.from.command(c.from.self, "send", address, strconv.FormatInt(c.total, 10))
	p, err := start(c.nodes.dir, "send", command[0], command[1:]...)
	if err != nil {
		return err
	}
	c.nodes.others = append(c.nodes.others, p)
	if c.sender, err = p.firstLine(ctx); err != nil {
		return errors.Join(err, p.alive())
	}
	return nil
}

// noise is a value that does not compress, words is one that does.
func noise(i int, b []byte) {
	_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(len(b)), byte(len(b) >> 8)}).Read(b)
}

func words(i int, b []byte) {
	random := rand.New(rand.NewPCG(7, uint64(i)))
	text := b[:0]
	for len(text)+64 < cap(b) {
		text = fmt.Appendf(text, `{"id":%d,"name":"item %d","open":%v},`, random.IntN(1e9), random.IntN(1e4), random.IntN(2) == 0)
	}
	copy(b[len(text):], strings.Repeat(" ", len(b)-len(text)))
}
