package local

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/eiri/seppen/api/layout"
)

// changing is a cluster that can be changed.
func changing(t *testing.T, names ...string) (*running, chan<- Change, Config) {
	t.Helper()
	changes := make(chan Change)
	c := config(t, names...)
	c.Port, c.Changes = freePort(t, 8), changes
	c.MemoryLimit = minMemory
	r := launch(t, c)
	r.waitReady()
	return r, changes, c
}

func wanted(t *testing.T, c Config, names ...string) Change {
	t.Helper()
	parsed, err := layout.ParseNames(names)
	if err != nil {
		t.Fatal(err)
	}
	return Change{Names: parsed, Limits: c.Limits}
}

// comesTo waits until some node has a layout of this shape.
func (r *running) comesTo(shape string) *layout.Layout {
	r.t.Helper()
	var found *layout.Layout
	last := ""
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the last layout: %s\n%s", last, r.stderr.String())
		}
	}()
	eventually(r.t, shape, func() bool {
		for i := range 8 {
			l, err := layoutAt(r.url(i))
			if err == nil {
				last = drawn(l)
			}
			if err == nil && last == shape {
				found = l
				return true
			}
		}
		return false
	})
	return found
}

// ended waits until as many nodes answer as there should be.
func (r *running) remain(nodes int) {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("%d nodes answer", nodes), func() bool {
		answer := 0
		for i := range 8 {
			if _, err := layoutAt(r.url(i)); err == nil {
				answer++
			}
		}
		return answer == nodes
	})
}

// A change of shape: the new nodes come in, take over, and the old ones end.
func TestReshape(t *testing.T) {
	t.Parallel()
	r, changes, c := changing(t, "a-0-127", "a-128-255")
	changes <- wanted(t, c, "a-0-84", "a-85-169", "a-170-255")
	r.comesTo("serving serving serving; 0: a-r1, 85: a-r1, 128: a-r1, 170: a-r1")
	r.remain(3)
	r.waitNote(`(?m)^a-r1-85-169 \(pid \d+\) starts, at http://127\.0\.0\.1:\d+\.$`)
	// One after the other or in one epoch: as soon as those that take over are ready.
	r.waitNote(`(?m)^epoch \d+: .*a-0-127.* (hands its|hand their) slots over\. Slots .*\.$`)
	r.waitNote(`(?m)^epoch \d+: .*a-128-255.* (hands its|hand their) slots over\. Slots .*\.$`)
	r.waitNote(`(?m)^a-0-127 \(pid \d+\) is not needed any more, and ends\.$`)
	r.waitNote("every slot has all its copies again")
	// Back again: their places are free, and their names are new ones.
	changes <- wanted(t, c, "a-0-127", "a-128-255")
	r.comesTo("serving serving; 0: a-r2, 85: a-r2, 128: a-r2, 170: a-r2")
	r.remain(2)
	if said := r.stderr.String(); strings.Contains(said, "died") {
		t.Errorf("said:\n%s", said)
	}
	r.stop()
}

// A node that is told to stop is replaced first.
func TestNodeToldToStop(t *testing.T) {
	t.Parallel()
	r, _, _ := changing(t, "a-0-127", "a-128-255")
	children := pids(t, r.stdout.String())
	send(t, children[0], syscall.SIGTERM)
	l := r.comesTo("serving serving; 0: a-r1, 128: a")
	if name := l.Members[1].Name.String(); name != "a-r1-0-127" {
		t.Errorf("%s came", name)
	}
	r.remain(2)
	r.stop()
}

// It is told so once: the requests that it has still to finish are not cut off.
func TestNodeToldToStopLingers(t *testing.T) {
	t.Parallel()
	r, _, _ := changing(t, "lingers-0-127", "lingers-128-255")
	children := pids(t, r.stdout.String())
	send(t, children[0], syscall.SIGTERM)
	r.comesTo("serving serving; 0: lingers-r1, 128: lingers")
	r.waitNote(`(?m)^lingers-0-127 \(pid \d+\) is not needed any more, and ends\.$`)
	eventually(t, "the process has ended", func() bool { return syscall.Kill(children[0], 0) != nil })
	if said := r.stderr.String(); strings.Contains(said, "told to stop twice") {
		t.Errorf("said:\n%s", said)
	}
	r.stop()
}

// Other limits: nodes are replaced one at a time.
func TestRoll(t *testing.T) {
	t.Parallel()
	r, changes, c := changing(t, "a-0-127", "a-128-255")
	change := wanted(t, c, "x-0-127", "x-128-255") // names do not count
	change.MemoryLimit, change.TransferLimit = 2*minMemory, 1<<20
	changes <- change
	r.comesTo("serving serving; 0: a-r1, 128: a-r2")
	r.remain(2)
	eventually(t, "all nodes know the limit", func() bool { return slices.Equal(limits(t, r), []string{"1048576", "1048576"}) })
	// That limit is told to those that run.
	change.TransferLimit = 2 << 20
	changes <- change
	eventually(t, "all nodes know the other limit", func() bool { return slices.Equal(limits(t, r), []string{"2097152", "2097152"}) })
	r.stop()
}

func limits(t *testing.T, r *running) (out []string) {
	t.Helper()
	for i := range 8 {
		if res, err := oneShot.Get(r.url(i)); err == nil {
			out = append(out, res.Header.Get("Limit"))
			res.Body.Close()
		}
	}
	return out
}

// All nodes go when the cluster is stopped, and wait for nobody.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	r, changes, c := changing(t, "a-0-255")
	changes <- wanted(t, c, "a-0-127", "a-128-255")
	r.waitNote(`a-r1-128-255 \(pid \d+\) starts`)
	r.stop()
}

// SIGHUP has the file read again. A file that cannot be read changes nothing.
func TestChangeOfFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const kind = "apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata: {name: c}\n"
	var said text
	write(kind + "spec: {shards: 3, copies: 1}\n")
	o := &options{file: file, memory: "64Mi"}
	if err := o.fromFile(new(Config)); err != nil {
		t.Fatal(err)
	}
	changes, done := o.changes(&said)
	defer done()
	write(kind + "spec: {shards: 0}\n")
	send(t, os.Getpid(), syscall.SIGHUP)
	eventually(t, "a complaint", func() bool { return strings.Contains(said.String(), "nothing is changed: ") })
	write(kind + "spec: {shards: 4, copies: 1, updateStrategy: {maxSurge: 2}, transfer: {maxBytesPerSecond: 1Mi}}\n")
	send(t, os.Getpid(), syscall.SIGHUP)
	got := <-changes
	want := Limits{MemoryLimit: 64 << 20, MaxValue: 64 << 20, MaxSurge: 2, TransferLimit: 1 << 20}
	if len(got.Names) != 4 || got.Limits != want {
		t.Errorf("got %+v", got)
	}
	if line := file + " was read again: changed: spec.shards, spec.transfer, spec.updateStrategy\n"; !strings.Contains(said.String(), line) {
		t.Errorf("said %s", said.String())
	}
	if _, _, err := (&options{}).change(); err == nil || !strings.Contains(err.Error(), "-f FILE") {
		t.Errorf("without a file: %v", err)
	}
}
