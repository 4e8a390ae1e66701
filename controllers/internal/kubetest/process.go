package kubetest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// asset is the path of one of Kubernetes' programs.
func asset(name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(os.Getenv(assets), name))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s has no %s: %w", assets, name, err)
	}
	return path, nil
}

// program writes a script that runs one of Kubernetes' programs and leaves its pid
// where the watchdog finds it: envtest tells nobody.
func program(dir, name string) (string, error) {
	path, err := asset(name)
	if err != nil {
		return "", err
	}
	script := filepath.Join(dir, name)
	text := fmt.Sprintf("#!/bin/sh\necho $$ >'%s.pid'\nexec '%s' \"$@\"\n", script, path)
	return script, os.WriteFile(script, []byte(text), 0o700) //nolint:gosec // it is to be run
}

// watchdog is a process that outlives this one if that is killed, be it because a test
// took too long, and then kills the programs of dir. In any case it removes dir.
type watchdog struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser // it ends with us
}

func watch(dir string) (*watchdog, error) {
	const script = `read -r _ || for f in "$1"/*.pid; do read -r pid <"$f" && kill -KILL "$pid"; done; rm -rf "$1"`
	cmd := exec.Command("sh", "-c", script, "sh", dir)
	// Ctrl-C on a terminal must not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &watchdog{cmd: cmd, stdin: stdin}, nil
}

// dismiss tells it that nothing runs any more.
func (w *watchdog) dismiss() error {
	if _, err := io.WriteString(w.stdin, "done\n"); err != nil {
		return err
	}
	return w.cmd.Wait()
}

// tail is the end of a log.
func tail(path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-15):], []byte("\n"))
}
