package local

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// output is what the user sees: the cluster on stdout; what happens to it, and what
// its nodes have to say, on stderr.
type output struct {
	stdout  io.Writer
	port    int
	verbose bool

	mu     sync.Mutex // nodes log at the same time
	stderr io.Writer
}

func newOutput(c *Config) *output {
	o := &output{stdout: c.Stdout, stderr: c.Stderr, port: c.Port, verbose: c.Verbose}
	if o.stdout == nil {
		o.stdout = io.Discard
	}
	if o.stderr == nil {
		o.stderr = io.Discard
	}
	return o
}

// line writes to stdout.
func (o *output) line(text string) { fmt.Fprintln(o.stdout, text) }

// note writes to stderr.
func (o *output) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.stderr, format+"\n", args...)
}

// logOf returns what passes a node's log on.
func (o *output) logOf(name layout.Name) func(string) {
	return func(line string) {
		if o.shows(line) {
			o.note("%s: %s", name, line)
		}
	}
}

func (o *output) shows(line string) bool { return o.verbose || !chatter(line) }

// unshown leaves out of a log what was shown already.
func (o *output) unshown(log []string) []string { return slices.DeleteFunc(log, o.shows) }

// chatter tells whether a line of slog's text is below a warning. What is no such
// line, a panic for one, is not chatter.
func chatter(line string) bool {
	head, _, _ := strings.Cut(line, " msg=")
	return strings.Contains(head, "level=INFO") || strings.Contains(head, "level=DEBUG")
}

func (o *output) url(n *node) string { return "http://" + address(o.port+portStep*n.index) }

// cluster writes what a user needs to begin.
func (o *output) cluster(nodes []*node, took time.Duration) {
	w := tabwriter.NewWriter(o.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NAME\tRANGE\tPID\tURL")
	for _, n := range nodes {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", n.name, n.name.Range, n.proc.pid(), o.url(n))
	}
	_ = w.Flush() // a terminal that has gone cannot be told so
	o.session(o.url(nodes[0]), o.url(nodes[len(nodes)/2]), o.url(nodes[len(nodes)-1]))
	plural := "s"
	if len(nodes) == 1 {
		plural = ""
	}
	o.line(fmt.Sprintf("%d node%s started in %.1f s", len(nodes), plural, took.Seconds()))
	o.line("ready")
}

// session writes commands to copy. Any node answers for any key.
func (o *output) session(one, another, third string) {
	fmt.Fprintf(o.stdout, `
Try it, on any node:

  curl -i -X PUT -H 'Content-Type: text/plain' -d 'six arms' %[1]s/snow/flake
  curl -w '\n' %[2]s/snow/flake
  curl -I %[3]s/snow/flake      # the ETag is the value's HMAC under the secret
  curl -w '\n' '%[1]s/?prefix=snow/'
  curl -i -X DELETE %[2]s/snow/flake

`, one, another, third)
}
