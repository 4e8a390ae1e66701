package chaos

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

const (
	secretText = "a secret of the chaos"

	// Node i has its ports at the first one + 10·i, as `seppen local` says. Behind a proxy
	// its peer port is another one.
	step, peerPort, adminPort, hidden = 10, 1, 2, 5

	// patience is for what must happen, however busy the machine is.
	patience = 60 * time.Second
	poll     = 10 * time.Millisecond
)

var secret = func() *uid.Secret {
	s, err := uid.NewSecret([]byte(secretText))
	if err != nil {
		panic(err)
	}
	return s
}()

// cluster is a running `seppen local`.
type cluster struct {
	t        *testing.T
	names    []string
	ranges   []layout.Range
	copies   int
	port     int
	author   *exec.Cmd
	ended    chan struct{} // closed when the author has
	lifeline io.Closer     // the author ends with it
	said     *journal
	registry *registry
	network  *network // nil: nodes reach each other directly
	service  *service // nil: nodes stay what they are
	http     *http.Client
}

// start runs a cluster until the test ends. Its nodes reach each other through proxies if
// so wished.
func start(t *testing.T, shards, copies int, proxies bool) *cluster {
	t.Helper()
	names, err := layout.Names("c", shards, copies)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, copies: copies, port: freePort(t, len(names)), said: &journal{}, ended: make(chan struct{})}
	for _, n := range names {
		c.names, c.ranges = append(c.names, n.String()), append(c.ranges, n.Range)
	}
	c.http = newClient()
	if proxies {
		c.network = newNetwork()
	}
	c.registry = newRegistry(t, c.way)
	t.Cleanup(c.stop)
	c.launch("--name", "c", "--shards", strconv.Itoa(shards), "--copies", strconv.Itoa(copies))
	c.eventually("ready", func() bool { return len(c.said.find("^ready$")) > 0 })
	c.calm()
	return c
}

func newClient() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// way tells a node its peer port.
func (c *cluster) way(name, address string) (string, error) {
	if c.network == nil {
		return address, nil
	}
	own := at(c.port + step*slices.Index(c.names, name) + hidden)
	return own, c.network.open(name, address, own)
}

func (c *cluster) launch(what ...string) {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	path, err := program()
	if err != nil {
		c.t.Fatal(err)
	}
	args := slices.Concat([]string{"local"}, what, []string{
		"--port", strconv.Itoa(c.port), "--secret", secretText, "--memory-limit", "768MiB",
	})
	if *verbose {
		args = append(args, "--verbose")
	}
	c.author = exec.Command(self, args...)
	c.author.Env = append(os.Environ(), programEnv+"="+path, registryEnv+"="+c.registry.path)
	c.author.Stdout, c.author.Stderr = c.said, c.said
	// A group of its own: if it is left behind while it is stopped, the system wakes it,
	// with a signal that ends it.
	c.author.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.lifeline, err = c.author.StdinPipe(); err == nil {
		err = c.author.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		_ = c.author.Wait() // how it ended is in what it said
		close(c.ended)
	}()
}

// stop ends the cluster, and sees that nothing is left of it.
func (c *cluster) stop() {
	if c.author != nil && c.author.Process != nil {
		for _, p := range c.registry.survivors() {
			_ = syscall.Kill(p.pid, syscall.SIGCONT)
		}
		if c.network != nil {
			c.network.heal()
		}
		_ = c.author.Process.Signal(syscall.SIGCONT)
		_ = c.author.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(patience):
			c.t.Errorf("the author does not stop")
			_ = c.author.Process.Kill()
			<-c.ended
		}
		c.lifeline.Close()
	}
	c.http.CloseIdleConnections()
	for deadline := time.Now().Add(patience); len(c.registry.survivors()) > 0; time.Sleep(poll) {
		if time.Now().After(deadline) {
			c.t.Errorf("processes are left: %v", c.registry.survivors())
			break
		}
	}
	for _, l := range c.said.find(` died: | panic: `) {
		if !strings.Contains(l.text, "died: signal: killed.") {
			c.t.Errorf("nobody killed it, but: %s", l.text)
		}
	}
	c.registry.close()
	if c.network != nil {
		c.network.close()
	}
	if c.t.Failed() {
		c.t.Logf("what the author said:\n%s", c.said)
	}
}

// rest is where node i takes requests of clients, or where a Service has them go.
func (c *cluster) rest(i int) string {
	if c.service != nil {
		return c.service.pick(i)
	}
	return at(c.port + step*i)
}

func (c *cluster) admin(i int) string { return at(c.port + step*i + adminPort) }

func (c *cluster) kill(i int) *process {
	p := c.registry.newest(c.names[i])
	p.signal(c.t, syscall.SIGKILL)
	return p
}

// reborn waits for the process after p.
func (c *cluster) reborn(p *process) {
	c.t.Helper()
	c.eventually("another process of "+p.name, func() bool { return c.registry.newest(p.name) != p })
}

// freeze stops a node; the result lets it go on.
func (c *cluster) freeze(i int) (thaw func()) {
	p := c.registry.newest(c.names[i])
	p.signal(c.t, syscall.SIGSTOP)
	return func() { p.signal(c.t, syscall.SIGCONT) }
}

// freezeAuthor stops the author; the result lets it go on.
func (c *cluster) freezeAuthor() (thaw func()) {
	send := func(s syscall.Signal) {
		if err := c.author.Process.Signal(s); err != nil {
			c.t.Errorf("%v to the author: %v", s, err)
		}
	}
	send(syscall.SIGSTOP)
	return func() { send(syscall.SIGCONT) }
}

// primary is the node that is a slot's primary when all is calm: the one whose range
// begins next before it.
func (c *cluster) primary(slot uint8) (best int) {
	for i, r := range c.ranges {
		if slot-r.Lo < slot-c.ranges[best].Lo {
			best = i
		}
	}
	return best
}

func (c *cluster) share(i int) (n int) {
	for slot := range layout.Slots {
		if c.primary(uint8(slot)) == i {
			n++
		}
	}
	return n
}

// owns tells whether a node is an owner of a slot when all is calm.
func (c *cluster) owns(i int, slot uint8) bool { return c.ranges[i].Contains(slot) }

// keys are so many for each node as the primary, node after node.
func (c *cluster) keys(prefix string, each int) (all []string) {
	missing := make([]int, len(c.names))
	for i := range missing {
		missing[i] = each
	}
	for i := 0; len(all) < each*len(c.names); i++ {
		key := fmt.Sprintf("%s%d", prefix, i)
		if p := c.primary(secret.KeySlot(key)); missing[p] > 0 {
			missing[p]--
			all = append(all, key)
		}
	}
	return all
}

func (c *cluster) eventually(what string, done func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !done() {
		select {
		case <-deadline.C:
			c.t.Fatalf("%s: not within %v", what, patience)
		case <-c.ended:
			c.t.Fatalf("%s: the author ended", what)
		case <-time.After(poll):
		}
	}
}

func at(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

var nextPort atomic.Int32

// freePort is the first of a run of ports that are free, below those that the system
// gives to outgoing connections.
func freePort(t *testing.T, nodes int) int {
	t.Helper()
	size := int32(step * nodes)
	for range 200 {
		first := int(10000 + (int32(os.Getpid()%1000)*20+nextPort.Add(size)-size)%20000)
		free := true
		for port := first; port < first+int(size) && free; port++ {
			l, err := net.Listen("tcp", at(port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}
