//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// process is a server that we started.
type process struct {
	cmd  *exec.Cmd
	log  string // file with all that it said
	done chan struct{}
}

// start starts a program that ends with this one, however that ends. It must be called
// from the main goroutine, which is locked to its thread: the kernel takes the end of
// the thread that started a child for the end of the parent.
func start(dir, name, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.cmd.Wait() //nolint:errcheck // its log says why it ended
		close(p.done)
	}()
	return p, nil
}

// alive returns nil while the process runs, else what it said last.
func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s (pid %d) ended: %s", p.cmd.Path, p.cmd.Process.Pid, p.lastWords())
	default:
		return nil
	}
}

func (p *process) lastWords() string {
	b, _ := os.ReadFile(p.log)
	return string(b[max(0, len(b)-2000):])
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill() //nolint:errcheck // likewise
		<-p.done
	}
}

// cpu is the time that the process has had of all cores. The kernel counts in ticks of
// 10 ms (proc(5): utime and stime in USER_HZ).
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // from the third field on
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100), nil
}

// output runs a program to its end, which comes with ours at the latest.
func output(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("%s: %w: %s", program, err, out), ctx.Err())
	}
	return string(out), nil
}

// firstLine waits for the first line that the process prints.
func (p *process) firstLine(ctx context.Context) (string, error) {
	for {
		b, err := os.ReadFile(p.log)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if line, _, ok := bytes.Cut(b, []byte("\n")); ok {
			return string(line), nil
		}
		if err := errors.Join(p.alive(), pause(ctx, 10*time.Millisecond)); err != nil {
			return "", err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
