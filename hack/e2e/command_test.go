package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandTime is more than any command takes that does not wait for something itself.
const commandTime = 3 * time.Minute

// result is what a command said, and err how it failed, with all of it.
type result struct {
	out, errors string
	err         error
}

func execute(ctx context.Context, input, program string, args ...string) result {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	r := result{err: cmd.Run()}
	r.out, r.errors = out.String(), errs.String()
	if r.err != nil {
		r.err = fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), r.err, r.out, r.errors)
	}
	return r
}

// kubectl runs it as a person would and returns what it printed.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	r := execute(t.Context(), "", "kubectl", args...)
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.out
}

func helm(t *testing.T, args ...string) string {
	t.Helper()
	r := execute(t.Context(), "", "helm", args...)
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.out
}

// apply applies a manifest and returns the warnings that the API server sent.
func apply(t *testing.T, namespace, manifest string) string {
	t.Helper()
	r := execute(t.Context(), manifest, "kubectl", "apply", "--namespace", namespace, "-f", "-")
	if r.err != nil {
		t.Fatalf("%s\n%s", r.err, manifest)
	}
	return r.errors
}
