package chaos

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	programEnv  = "CHAOS_PROGRAM"
	registryEnv = "CHAOS_REGISTRY"
)

// become tells the test which process is to be which node, hears which peer port the
// node is to have, and becomes the node.
func become(args []string) int {
	name, port := slices.Index(args, "--name")+1, slices.Index(args, "--peer-listen")+1
	conn, err := net.Dial("unix", os.Getenv(registryEnv))
	if err == nil {
		fmt.Fprintln(conn, args[name], args[port], os.Getpid())
		args[port], err = bufio.NewReader(conn).ReadString('\n')
	}
	if err == nil {
		args[port] = strings.TrimSpace(args[port])
		program := os.Getenv(programEnv)
		err = syscall.Exec(program, append([]string{program, "node"}, args...), os.Environ())
	}
	fmt.Fprintln(os.Stderr, "become a node:", err)
	return 1
}

// registry knows all processes that were ever nodes of a cluster.
type registry struct {
	path string
	l    net.Listener
	way  func(name, port string) (string, error) // the peer port that a node gets
	done sync.WaitGroup

	mu    sync.Mutex
	nodes map[string][]*process // by name, the newest last
}

// process is one process that is a node.
type process struct {
	name string
	peer string // its peer port
	pid  int
	born time.Time
}

var registries atomic.Int32

func newRegistry(t *testing.T, way func(name, port string) (string, error)) *registry {
	t.Helper()
	r := &registry{
		path: filepath.Join(scratch, fmt.Sprintf("%d.sock", registries.Add(1))), way: way, nodes: make(map[string][]*process),
	}
	var err error
	if r.l, err = net.Listen("unix", r.path); err != nil {
		t.Fatal(err)
	}
	r.done.Go(func() {
		for {
			conn, err := r.l.Accept()
			if err != nil {
				return
			}
			if err := r.register(conn); err != nil {
				t.Errorf("a node that was born: %v", err)
			}
			conn.Close()
		}
	})
	return r
}

func (r *registry) register(conn net.Conn) error {
	p := &process{born: time.Now()}
	var port string
	if _, err := fmt.Fscanln(conn, &p.name, &port, &p.pid); err != nil {
		return nil //nolint:nilerr // it was killed before it could tell
	}
	p.peer = port
	port, err := r.way(p.name, port)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.nodes[p.name] = append(r.nodes[p.name], p)
	r.mu.Unlock()
	fmt.Fprintln(conn, port)
	return nil
}

func (r *registry) close() {
	r.l.Close()
	r.done.Wait()
}

// newest is the process that is a node now, or was the last.
func (r *registry) newest(name string) *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.nodes[name]
	return all[len(all)-1]
}

// survivors are the processes that still run.
func (r *registry) survivors() (all []*process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.nodes {
		for _, p := range list {
			if p.lives() {
				all = append(all, p)
			}
		}
	}
	return all
}

// lives tells whether the process runs; one that only nobody has waited for does not.
func (p *process) lives() bool {
	if syscall.Kill(p.pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.pid, s); err != nil {
		t.Errorf("%v to %s, process %d: %v", s, p.name, p.pid, err)
	}
}
