package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What a child finds open besides its standard files.
const (
	secretPath = "/dev/fd/3"
	lifelineFD = 4
)

// keepLines is how many of a child's last lines are kept, to be shown if it fails.
const keepLines = 12

// maxLine bounds a line of a child's log; a longer one is passed on in pieces.
const maxLine = 64 << 10

// process is one child process: one incarnation of a node.
type process struct {
	cmd      *exec.Cmd
	lifeline *os.File      // the child ends when this end is closed, be it by our own end
	done     chan struct{} // closed when the process has ended and its log was read
	err      error         // how it ended; nil: with exit code 0. Valid after done

	mu   sync.Mutex
	tail []string
}

// start runs the program as `node` with the given arguments. The secret goes through a
// pipe: a command line and an environment can be read by others. Each line that the
// process writes is handed to line.
func start(program string, args []string, secret string, line func(string)) (*process, error) {
	p := &process{cmd: exec.Command(program, append([]string{"node"}, args...)...), done: make(chan struct{})}
	// A group of its own, so that Ctrl-C on a terminal reaches only the parent, who
	// stops all nodes in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = childEnv(os.Environ())
	log, err := p.launch(secret)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		defer close(p.done)
		p.readLog(log, line)
		p.err = p.cmd.Wait()
		p.lifeline.Close()
	}()
	return p, nil
}

// launch starts the process and returns the end from which its log is read.
func (p *process) launch(secret string) (log *os.File, err error) {
	// Our ends survive only a start that succeeds; the child's are its own by then.
	var ours, theirs []*os.File
	defer func() {
		if err != nil {
			closeAll(ours)
		}
		closeAll(theirs)
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	secretR, secretW := pipe()
	lifeR, lifeW := pipe()
	logR, logW := pipe()
	ours, theirs = []*os.File{lifeW, logR}, []*os.File{secretR, secretW, lifeR, logW}
	if err != nil {
		return nil, err
	}
	if _, err = io.WriteString(secretW, secret); err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = logW, logW
	p.cmd.ExtraFiles = []*os.File{secretR, lifeR}
	p.lifeline = lifeW
	return logR, p.cmd.Start()
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close() // one that was never opened is nil, which Close takes
	}
}

// childEnv leaves out our own settings: among them may be the secret, and a child
// would take them for its flags.
func childEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(s string) bool { return strings.HasPrefix(s, "SEPPEN_") })
}

func (p *process) readLog(log *os.File, line func(string)) {
	defer log.Close()
	r := bufio.NewReaderSize(log, maxLine)
	for {
		b, _, err := r.ReadLine()
		if err != nil {
			return
		}
		text := string(b)
		p.mu.Lock()
		p.tail = append(p.tail, text)
		p.tail = p.tail[max(0, len(p.tail)-keepLines):]
		p.mu.Unlock()
		line(text)
	}
}

// lastLines is what the process wrote last.
func (p *process) lastLines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tail)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends a signal; a process that has ended already does not mind.
func (p *process) signal(s os.Signal) {
	_ = p.cmd.Process.Signal(s)
}

// end says how the process ended.
func (p *process) end() string {
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return "exit status 0"
	case errors.As(p.err, &exit):
		return exit.Error()
	}
	return p.err.Error()
}

const (
	// leaveTimeout is how long a node that is told to stop waits for others to take its place.
	leaveTimeout = time.Hour
	// linger is how long it is there for those who have not heard that others have.
	linger = time.Second
)

// nodeArgs are the arguments of `seppen node` for a node.
func (c *Config) nodeArgs(n *node) []string {
	port := c.Port + portStep*n.index
	args := []string{
		"--name", n.name.String(),
		"--listen", address(port),
		"--peer-listen", address(port + peerOffset),
		"--admin-listen", address(port + adminOffset),
		"--secret-file", secretPath,
		"--lifeline", strconv.Itoa(lifelineFD),
		"--memory-limit", strconv.FormatInt(n.template.memoryLimit, 10),
		"--leave-timeout", leaveTimeout.String(),
		"--linger", linger.String(),
		"--log-format", "text",
	}
	if n.template.maxValue > 0 {
		args = append(args, "--max-value", strconv.FormatInt(n.template.maxValue, 10))
	}
	return args
}
