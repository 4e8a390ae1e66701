package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
)

const testSecret = "a secret that nobody may see"

// within is how long anything that should happen may take here.
const within = 60 * time.Second

var nextPort atomic.Int32

// freePort is the first port of a run of free ones for so many nodes, below those that
// the system gives to outgoing connections.
func freePort(t *testing.T, nodes int) int {
	t.Helper()
	size := int32(portStep * nodes)
	for range 200 {
		port := int(10000 + (int32(os.Getpid()%1000)*16+nextPort.Add(size)-size)%20000)
		c := Config{Port: port, Names: make([]layout.Name, nodes)}
		if c.checkPorts() == nil {
			return port
		}
	}
	t.Fatal("no free ports")
	return 0
}

// text collects what is written, for several goroutines.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *text) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *text) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, within)
		}
		pause := time.NewTimer(10 * time.Millisecond)
		<-pause.C
	}
}

// running is a cluster under test.
type running struct {
	t              *testing.T
	port           int
	stdout, stderr text
	cancel         context.CancelFunc
	kill           chan struct{}
	done           chan struct{}
	err            error
}

func config(t *testing.T, names ...string) Config {
	t.Helper()
	parsed, err := layout.ParseNames(names)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Names: parsed, Port: freePort(t, len(names)), Secret: testSecret, Restart: true}
}

func launch(t *testing.T, c Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, port: c.Port, cancel: cancel, kill: make(chan struct{}), done: make(chan struct{})}
	c.Stdout, c.Stderr, c.Kill = &r.stdout, &r.stderr, r.kill
	go func() {
		defer close(r.done)
		r.err = Run(ctx, c)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
		if t.Failed() {
			t.Logf("stdout:\n%s\nstderr:\n%s", r.stdout.String(), r.stderr.String())
		}
	})
	return r
}

func (r *running) waitReady() {
	r.t.Helper()
	eventually(r.t, "ready", func() bool {
		select {
		case <-r.done:
			r.t.Fatalf("ended before ready: %v", r.err)
		default:
		}
		return strings.Contains(r.stdout.String(), "\nready\n")
	})
}

func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	<-r.done
	if r.err != nil {
		r.t.Errorf("Run: %v", r.err)
	}
	if !strings.HasSuffix(r.stdout.String(), "\nstopped\n") {
		r.t.Error("it does not say that it stopped")
	}
}

func (r *running) url(i int) string { return "http://" + address(r.port+portStep*i) }

// layoutOf waits for node i to have a layout of this epoch.
func (r *running) layoutOf(i int, epoch uint64) *layout.Layout {
	r.t.Helper()
	var l *layout.Layout
	eventually(r.t, fmt.Sprintf("epoch %d at node %d", epoch, i), func() bool {
		var err error
		l, err = layoutAt(r.url(i))
		return err == nil && l.Epoch >= epoch
	})
	return l
}

func (r *running) waitNote(pattern string) {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	eventually(r.t, "stderr has "+pattern, func() bool { return re.MatchString(r.stderr.String()) })
}

// pids reads the table.
func pids(t *testing.T, stdout string) []int {
	t.Helper()
	var out []int
	for _, m := range regexp.MustCompile(`(?m)^\S+-\d+-\d+ +\d+-\d+ +(\d+) +http://127`).FindAllStringSubmatch(stdout, -1) {
		pid, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, pid)
	}
	return out
}

// pidAt is the process of the fake node behind a URL.
func pidAt(t *testing.T, url string) (pid int) {
	t.Helper()
	eventually(t, url+" tells its process", func() bool {
		res, err := oneShot.Get(url)
		if err != nil {
			return false
		}
		res.Body.Close()
		pid, err = strconv.Atoi(res.Header.Get("Pid"))
		return err == nil
	})
	return pid
}

// lives tells whether a process runs; one that nobody waited for does not.
func lives(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if runtime.GOOS != "linux" {
		return true
	}
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "a-0-169", "b-85-255", "c-170-84"))
	r.waitReady()
	want := regexp.MustCompile(fmt.Sprintf(`^NAME +RANGE +PID +URL
a-0-169 +0-169 +\d+ +http://127\.0\.0\.1:%d
b-85-255 +85-255 +\d+ +http://127\.0\.0\.1:%d
c-170-84 +170-84 +\d+ +http://127\.0\.0\.1:%d

(.*\n)+
3 nodes started in \d+\.\d s
ready
$`, r.port, r.port+10, r.port+20))
	if !want.MatchString(r.stdout.String()) {
		t.Errorf("stdout:\n%s", r.stdout.String())
	}
	first := r.layoutOf(0, 1)
	for i := range 3 {
		l := r.layoutOf(i, 1)
		if d := cmp.Diff(first, l); d != "" {
			t.Errorf("node %d has another layout:\n%s", i, d)
		}
		if m := l.Members[i]; m.Phase != layout.Serving || m.Address != address(r.port+portStep*i+1) {
			t.Errorf("member %d: %+v", i, m)
		}
	}
	if log := r.stderr.String(); !strings.Contains(log, "b-85-255: time=") || !strings.Contains(log, "fake node warns") || strings.Contains(log, "listens") {
		t.Errorf("stderr:\n%s", log)
	}
	children := pids(t, r.stdout.String())
	r.stop()
	for _, pid := range children {
		if lives(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

func TestVerbose(t *testing.T) {
	t.Parallel()
	c := config(t, "a-0-255")
	c.Verbose = true
	r := launch(t, c)
	r.waitReady()
	r.waitNote(`a-0-255: .*level=INFO msg="fake node listens"`)
	if !strings.Contains(r.stdout.String(), "1 node started") {
		t.Error(r.stdout.String())
	}
	r.stop()
}

// The secret must not be where others on the machine can read it.
func TestSecretIsNotSeen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	t.Setenv(secretEnv, testSecret)
	r := launch(t, config(t, "a-0-127", "b-128-255"))
	r.waitReady()
	children := pids(t, r.stdout.String())
	if len(children) != 2 {
		t.Fatal(r.stdout.String())
	}
	for _, pid := range children {
		for _, file := range []string{"cmdline", "environ"} {
			b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
			if err != nil || len(b) == 0 {
				t.Fatalf("%d: %v", pid, err)
			}
			if strings.Contains(string(b), testSecret) || strings.Contains(string(b), "SEPPEN_") {
				t.Errorf("the secret is in %s of %d", file, pid)
			}
		}
		if group, err := syscall.Getpgid(pid); err != nil || group != pid {
			t.Errorf("%d is in process group %d, %v: a terminal's Ctrl-C would reach it", pid, group, err)
		}
	}
	r.stop()
}

// What cannot start says so, and leaves no child.
func TestFailedStarts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, manner, want string }{
		{"exit", "fails.x", `^fails\.x-128-255 did not start: exit status 3\n.*about to fail"$`},
		{"silence", "hangs.x", `^2 of 2 nodes are not ready after 4s:\nx-0-127: no layout yet\nhangs\.x-128-255: no answer yet$`},
		{"never ready", "unready.x", `^1 of 2 nodes are not ready after 4s:\nunready\.x-128-255: not serving$`},
		{"no layout", "refuses.x", `^1 of 2 nodes are not ready after 4s:\nrefuses\.x-128-255: no layout yet$`},
		{"another name", "disowned.x", `^the peer port 127\.0\.0\.1:\d+ of disowned\.x-128-255 is answered by somebody else: .*another-0-255`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, "x-0-127", c.manner+"-128-255")
			cfg.startTimeout = 4 * time.Second
			r := launch(t, cfg)
			<-r.done
			if r.err == nil || !regexp.MustCompile(c.want).MatchString(r.err.Error()) {
				t.Errorf("%v, want %s", r.err, c.want)
			}
			if out := r.stdout.String(); out != "" {
				t.Errorf("stdout: %s", out)
			}
			if n := strings.Count(r.stderr.String(), "cannot go on"); c.name == "exit" && n != 1 {
				t.Errorf("the node's complaint is shown %d times:\n%s", n, r.stderr.String())
			}
		})
	}
	cfg := config(t, "x-0-255")
	cfg.Executable = "/nonexistent/seppen"
	if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "start /nonexistent/seppen") {
		t.Errorf("%v", err)
	}
}

// A stop in the middle of a start is a stop.
func TestStopDuringStart(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "x-0-127", "hangs.x-128-255"))
	r.waitNote("fake node warns")
	r.cancel()
	<-r.done
	if r.err != nil || r.stdout.String() != "stopped\n" {
		t.Errorf("%v, stdout %q", r.err, r.stdout.String())
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "stubborn.x-0-127", "x-128-255"))
	r.waitReady()
	r.cancel()
	r.waitNote("stopping")
	start := time.Now()
	close(r.kill)
	<-r.done
	if took := time.Since(start); took > stopTimeout/2 {
		t.Errorf("it took %v", took)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	c := config(t, "x-0-127", "x-128-255")
	l, err := net.Listen("tcp", address(c.Port+11))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Run(t.Context(), c)
	want := fmt.Sprintf("port %d, the peer port of x-128-255, is in use; this cluster takes ports from %d to %d: choose another first port with --port", c.Port+11, c.Port, c.Port+12)
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// parent runs `local` in a process of its own and returns it when it is ready.
func parent(t *testing.T, nodes string, n int) (cmd *exec.Cmd, children []int, rest func() string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "local", "--nodes", nodes, "--port", strconv.Itoa(freePort(t, n)))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // most have ended
		_ = cmd.Wait()         // and been waited for
	})
	r := bufio.NewReader(out)
	var said strings.Builder
	for !strings.HasSuffix(said.String(), "\nready\n") {
		line, err := r.ReadString('\n')
		said.WriteString(line)
		if err != nil {
			t.Fatalf("%v after %s", err, said.String())
		}
	}
	if children = pids(t, said.String()); len(children) != n {
		t.Fatal(said.String())
	}
	return cmd, children, func() string {
		b, err := io.ReadAll(r)
		if err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		return string(b)
	}
}

// Children never outlive their parent, even one that had no time to stop them.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	cmd, children, _ := parent(t, "stubborn.a-0-169,b-85-255,c-170-84", 3)
	kill9(t, cmd.Process.Pid)
	eventually(t, "children are gone", func() bool { return !slices.ContainsFunc(children, lives) })
}

func TestInterrupts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		nodes   string
		signals []os.Signal
	}{
		"Ctrl-C":       {"a-0-127,b-128-255", []os.Signal{os.Interrupt}},
		"SIGTERM":      {"a-0-127,b-128-255", []os.Signal{syscall.SIGTERM}},
		"Ctrl-C twice": {"stubborn.a-0-127,b-128-255", []os.Signal{os.Interrupt, os.Interrupt}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, children, rest := parent(t, c.nodes, 2)
			start := time.Now()
			for i, s := range c.signals {
				if i > 0 { // two signals at once may arrive as one
					eventually(t, "the first was heard", func() bool { return !lives(children[1]) })
				}
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			if said := rest(); said != "stopped\n" {
				t.Errorf("said %q", said)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > stopTimeout/2 {
				t.Errorf("it took %v", took)
			}
			if slices.ContainsFunc(children, lives) {
				t.Error("children are left")
			}
		})
	}
}
