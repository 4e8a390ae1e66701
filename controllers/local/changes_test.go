package local

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
)

func send(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// drawn is a layout in one line: members' phases, then each segment's owners by the first
// parts of their names.
func drawn(l *layout.Layout) string {
	var phases, segments []string
	for _, m := range l.Members {
		phases = append(phases, m.Phase.String())
	}
	for _, g := range l.Segments {
		text := fmt.Sprintf("%d:", g.Lo)
		for _, i := range g.Order {
			text += " " + l.Members[i].Name.Base
		}
		if g.Loss > 0 {
			text += " lost"
		}
		segments = append(segments, text)
	}
	return strings.Join(phases, " ") + "; " + strings.Join(segments, ", ")
}

// settles waits until all nodes have one layout of this shape.
func (r *running) settles(nodes int, shape string) *layout.Layout {
	r.t.Helper()
	var l *layout.Layout
	last := ""
	defer func() {
		if r.t.Failed() {
			r.t.Logf("the last layout: %s", last)
		}
	}()
	eventually(r.t, "all nodes have "+shape, func() bool {
		l = nil
		for i := range nodes {
			own, err := layoutAt(r.url(i))
			if err != nil {
				return false
			}
			if last = drawn(own); last != shape || l != nil && own.Epoch != l.Epoch {
				return false
			}
			l = own
		}
		return true
	})
	return l
}

const whole = "serving serving serving; 0: a c, 85: b a, 170: c b"

func three(t *testing.T) (*running, []int, *layout.Layout) {
	t.Helper()
	r := launch(t, config(t, "a-0-169", "b-85-255", "c-170-84"))
	r.waitReady()
	return r, pids(t, r.stdout.String()), r.settles(3, whole)
}

// A node that died is replaced at once by who has what it had, and comes back as another
// incarnation, which copies, acknowledges, serves and has its share again in the end.
func TestRestart(t *testing.T) {
	t.Parallel()
	r, children, before := three(t)
	began := time.Now()
	kill9(t, children[1])
	after := r.layoutOf(0, 2)
	if took := time.Since(began); after.Epoch == 2 && took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if after.Epoch == 2 && drawn(after) != "serving serving; 0: a c, 85: a, 170: c" {
		t.Errorf("at first: %s", drawn(after))
	}
	r.waitNote(`(?m)^b-85-255 \(pid \d+\) died: signal: killed\. Its memory is gone: 1 copy is left of slots 85-255\. It is started again in 500ms\.$`)
	r.waitNote(`(?m)^epoch 2: b-85-255 is dead\. Slots 85-169 to a-0-169\.$`)
	r.waitNote(`(?m)^epoch \d+: b-85-255 joins with empty memory\.$`)
	r.waitNote(`(?m)^epoch \d+: b-85-255 has copied its slots and acknowledges writes\.$`)
	r.waitNote(`(?m)^epoch \d+: b-85-255 has everything and serves\.$`)
	r.waitNote(`(?m)^epoch \d+: owners in their preferred order\. Slots 85-169 to b-85-255\.$`)
	r.waitNote(`(?m)^All nodes serve, and every slot has all its copies again, after \d+\.\d s\.$`)
	end := r.settles(3, whole)
	if end.Members[2].Incarnation == before.Members[1].Incarnation || end.Members[2].Home == before.Members[1].Home {
		t.Errorf("the same process: %+v", end.Members[2])
	}
	if len(end.Dead) > 0 {
		t.Errorf("dead: %v", end.Dead)
	}
	r.stop()
}

// A node that is another incarnation before anybody noticed: one process does not live
// twice, so the one before is dead.
func TestRestartAtOnce(t *testing.T) {
	t.Parallel()
	r, children, before := three(t)
	send(t, children[0], syscall.SIGUSR1)
	r.waitNote(`(?m)^epoch 2: a-0-169 is dead\. Slots 0-84 to c-170-84\.$`)
	r.waitNote("every slot has all its copies again")
	end := r.settles(3, whole)
	if m := end.Members[2]; m.Name.Base != "a" || m.Incarnation == before.Members[0].Incarnation || m.Home != before.Members[0].Home {
		t.Errorf("%+v after %+v", m, before.Members[0])
	}
	if strings.Contains(r.stderr.String(), "died") {
		t.Error("no process died")
	}
	r.stop()
}

// A node that stands still is noticed, and those who do not are told without waiting for
// it. When it wakes it learns that it is no member, and joins.
func TestStopped(t *testing.T) {
	t.Parallel()
	r, children, _ := three(t)
	began := time.Now()
	send(t, children[2], syscall.SIGSTOP)
	for i := range 2 {
		if l := r.layoutOf(i, 2); drawn(l) != "serving serving; 0: a, 85: b a, 170: b" {
			t.Errorf("node %d: %s", i, drawn(l))
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	r.waitNote(`(?m)^c-170-84 \(pid \d+\) has not answered for \d+\.\d s\.$`)
	r.waitNote(`(?m)^epoch 2: c-170-84 does not answer\. Slots 170-255 to b-85-255\.$`)
	send(t, children[2], syscall.SIGCONT)
	r.waitNote("every slot has all its copies again")
	r.settles(3, whole)
	if strings.Contains(r.stderr.String(), "died") {
		t.Error("no process died")
	}
	r.stop()
}

// The same, but it ends when it learns it. It is started again.
func TestRemovedEnds(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "x-0-255", "quits.x-0-255"))
	r.waitReady()
	child := pids(t, r.stdout.String())[1]
	send(t, child, syscall.SIGSTOP)
	r.waitNote("epoch 2: quits.x-0-255 does not answer")
	send(t, child, syscall.SIGCONT)
	r.waitNote(`quits\.x-0-255 \(pid \d+\) died: exit status 4\. It held nothing\. It is started again`)
	r.waitNote("every slot has all its copies again")
	r.stop()
}

// The last owner of slots stays for as long as nobody has seen it die, whatever else
// happens, and everybody else goes on.
func TestStoppedOwner(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "a-0-127", "b-128-255"))
	r.waitReady()
	children := pids(t, r.stdout.String())
	send(t, children[0], syscall.SIGSTOP)
	r.waitNote(`(?m)^waiting: 0-127: its only owner a-0-127 does not answer and is not proven dead$`)
	kill9(t, children[1])
	r.waitNote(`(?m)^epoch \d+: b-128-255 has everything and serves\. Slots 128-255 to b-128-255\.$`)
	if l := r.layoutOf(1, 2); l.Members[0].Name.Base != "a" || l.Members[0].JoinEpoch != 1 {
		t.Errorf("members: %+v", l.Members)
	}
	send(t, children[0], syscall.SIGCONT)
	r.waitNote(`(?m)^a-0-127 \(pid \d+\) answers again\.$`)
	r.settles(2, "serving serving; 0: a, 128: b")
	r.stop()
	// Once, once together with the other one's, and once again.
	if n := strings.Count(r.stderr.String(), "0-127: its only owner"); n > 3 {
		t.Errorf("it was said %d times what is waited for", n)
	}
}

// A node that only the author does not hear of stays what it is.
func TestSeenByOthers(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "a-0-255", "witness.b-0-255", "witness.c-0-255"))
	r.waitReady()
	children := pids(t, r.stdout.String())
	send(t, children[0], syscall.SIGSTOP)
	r.waitNote(`a-0-255 \(pid \d+\) has not answered`)
	kill9(t, children[1])
	l := r.layoutOf(2, 2)
	if m := l.Members[0]; m.Name.Base != "a" || m.Phase != layout.Serving || m.JoinEpoch != 1 {
		t.Errorf("%+v", l.Members)
	}
	if strings.Contains(r.stderr.String(), "All nodes serve") {
		t.Error("one of them does not answer")
	}
	send(t, children[0], syscall.SIGCONT)
	r.waitNote("every slot has all its copies again")
	if m := r.layoutOf(0, 3).Members[0]; m.Name.Base != "a" || m.JoinEpoch != 1 {
		t.Errorf("%+v", m)
	}
	r.stop()
}

// All copies of slots die: they begin empty at the next process, it is said which, and
// the mark goes when nothing refers to what is lost.
func TestAllCopiesLost(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "a-0-127", "b-128-255"))
	r.waitReady()
	before := r.layoutOf(1, 1)
	kill9(t, pids(t, r.stdout.String())[0])
	r.waitNote(`(?m)^a-0-127 \(pid \d+\) died: signal: killed\. Its memory is gone: no copy is left of slots 0-127\. It is started again in 500ms\.$`)
	r.waitNote(`(?m)^epoch \d+: 0-127 are given up, all their owners are dead: a-0-127 begins them empty\.$`)
	r.waitNote(`(?m)^ALL COPIES ARE LOST of slots 0-127: their keys and values are gone\.$`)
	r.waitNote("every slot has all its copies again")
	end := r.settles(2, "serving serving; 0: a, 128: b")
	if d := cmp.Diff(before.Segments[1].View, end.Segments[1].View); d != "" {
		t.Errorf("the other half has another view: %s", d)
	}
	r.stop()
}

// A newcomer that dies as well is replaced, and nothing more is lost.
func TestRestartTwice(t *testing.T) {
	t.Parallel()
	r, children, _ := three(t)
	kill9(t, children[0])
	r.waitNote("joins with empty memory")
	kill9(t, pidAt(t, r.url(0)))
	r.waitNote(`(?m)^a-0-169 \(pid \d+\) died: signal: killed\. .* It is started again in 1s\.$`)
	r.waitNote("every slot has all its copies again")
	r.settles(3, whole)
	r.stop()
}

// Three copies: two die at once, and nothing is lost.
func TestTwoDie(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "a-0-255", "b-0-255", "c-0-255"))
	r.waitReady()
	children := pids(t, r.stdout.String())
	kill9(t, children[0])
	kill9(t, children[1])
	r.waitNote("every slot has all its copies again")
	if end := r.settles(3, "serving serving serving; 0: a b c"); end.Members[0].JoinEpoch != 1 {
		t.Errorf("members: %+v", end.Members)
	}
	r.stop()
}

// A node that takes its time over a layout keeps no other one waiting.
func TestSluggish(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "sluggish.a-0-255", "b-0-255", "c-0-255"))
	r.waitReady()
	kill9(t, pids(t, r.stdout.String())[1])
	r.layoutOf(2, 2)
	if l := r.layoutOf(0, 1); l.Epoch != 1 {
		t.Errorf("it was waited for: it has epoch %d", l.Epoch)
	}
	r.waitNote("every slot has all its copies again")
	r.stop()
}

// A node that does not take a layout is offered it again.
func TestHesitant(t *testing.T) {
	t.Parallel()
	r := launch(t, config(t, "hesitant.a-0-255", "b-0-255"))
	r.waitReady()
	r.waitNote(`hesitant\.a-0-255: push layout 1 to hesitant\.a-0-255: refused: no such layout`)
	r.stop()
}

// A node whose connection broke stays a member, and is told of new layouts.
func TestReconnect(t *testing.T) {
	t.Parallel()
	r, children, before := three(t)
	send(t, children[0], syscall.SIGHUP)
	kill9(t, children[1])
	r.waitNote("every slot has all its copies again")
	end := r.settles(3, whole)
	if end.Members[0] != before.Members[0] {
		t.Errorf("%+v was %+v", end.Members[0], before.Members[0])
	}
	r.stop()
}

func TestNoRestart(t *testing.T) {
	t.Parallel()
	c := config(t, "x-0-127", "x-128-255")
	c.Restart = false
	r := launch(t, c)
	r.waitReady()
	children := pids(t, r.stdout.String())
	kill9(t, children[0])
	r.waitNote(`x-0-127 \(pid \d+\) died: signal: killed\. Its memory is gone: no copy is left of slots 0-127\. It is not started again`)
	r.waitNote(`(?m)^waiting: 0-127: all its owners are dead and no new member stands ready$`)
	kill9(t, children[1])
	<-r.done
	if r.err == nil || !strings.Contains(r.err.Error(), "no node is left") {
		t.Errorf("Run: %v", r.err)
	}
}
