package kubectl

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
)

const (
	// hold is how long a line waits for older ones of other nodes.
	hold = 300 * time.Millisecond
	// flush is how often lines that waited are printed.
	flush = 100 * time.Millisecond
)

// held are lines that came and wait for older ones.
type held struct {
	lines []line
	came  []time.Time
}

func (h *held) add(l line, now time.Time) {
	h.lines, h.came = append(h.lines, l), append(h.came, now)
}

// release returns the lines that waited long enough, and all that are older than these, in
// the order of their times.
func (h *held) release(now time.Time) []line {
	var until time.Time
	due := false
	for i, came := range h.came {
		if now.Sub(came) >= hold {
			due = true
			if h.lines[i].at.After(until) {
				until = h.lines[i].at
			}
		}
	}
	if !due {
		return nil
	}
	var out []line
	var rest held
	for i, l := range h.lines {
		if l.at.After(until) {
			rest.add(l, h.came[i])
		} else {
			out = append(out, l)
		}
	}
	*h = rest
	slices.SortStableFunc(out, func(a, b line) int { return a.at.Compare(b.at) })
	return out
}

// event is what a reader of a log tells.
type event struct {
	line  line
	ended *source
	err   error
}

// live prints what comes. Nodes come and go, and processes restart: pods are looked at again
// and again.
func (j *journal) live(ctx context.Context, pods []corev1.Pod, poll time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	events := make(chan event)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	tick, look := time.NewTicker(flush), time.NewTicker(poll)
	defer tick.Stop()
	defer look.Stop()
	var waiting held
	for {
		for i := range pods {
			if s := j.source(&pods[i]); isRunning(&pods[i]) && !s.running {
				s.running = true
				from := s.last
				readers.Go(func() { j.readOn(ctx, s, from, events) })
			}
		}
		pods = nil
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e := <-events:
			switch {
			case e.ended != nil:
				e.ended.running = false
			case e.err != nil:
				fmt.Fprintln(j.errors, e.err)
			default:
				if e.line.at.After(e.line.from.last) {
					e.line.from.last = e.line.at
				}
				waiting.add(e.line, time.Now())
			}
		case now := <-tick.C:
			if err := j.printAll(waiting.release(now)); err != nil {
				return err
			}
		case <-look.C:
			var err error
			if pods, err = j.find(ctx); err != nil {
				fmt.Fprintln(j.errors, err)
			}
		}
	}
}

func isRunning(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.State.Running != nil })
}

// readOn follows one log from where it was read to. It works on a source of its own.
func (j *journal) readOn(ctx context.Context, s *source, from time.Time, events chan<- event) {
	tell := func(e event) bool {
		select {
		case events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	defer tell(event{ended: s})
	mine := &source{namespace: s.namespace, pod: s.pod, operator: s.operator, last: from}
	for l, err := range read(ctx, mine, j.continued) {
		if err != nil {
			tell(event{err: err})
			return
		}
		if !l.at.After(from) {
			continue // the API counts in seconds
		}
		l.from = s
		if !tell(event{line: l}) {
			return
		}
	}
}

// continued opens a log from the last line that was read on.
func (j *journal) continued(ctx context.Context, s *source) (io.ReadCloser, error) {
	o := &corev1.PodLogOptions{Container: j.containerOf(s), Timestamps: true, Follow: true}
	if !s.last.IsZero() {
		o.SinceTime = &metav1.Time{Time: s.last}
	}
	return j.logs(ctx, s.namespace, s.pod, o)
}

// print prints lines up to an error, which it returns.
func (j *journal) print(lines iter.Seq2[line, error]) error {
	for l, err := range lines {
		if err != nil {
			return cmp.Or(j.out.Flush(), err)
		}
		if err := j.printLine(l); err != nil {
			return err
		}
	}
	return j.out.Flush()
}

func (j *journal) printAll(lines []line) error {
	for _, l := range lines {
		if err := j.printLine(l); err != nil {
			return err
		}
	}
	return j.out.Flush()
}

func (j *journal) printLine(l line) error {
	if j.isOfAnother(l) {
		return nil
	}
	if j.raw {
		_, err := fmt.Fprintln(j.out, l.text)
		return err
	}
	_, err := fmt.Fprintf(j.out, "%-*s  %s\n", j.width, l.from.pod, readable(l.at, l.text))
	return err
}

// rangeOf is the range that a pod's name spells; empty: it is no node.
func rangeOf(pod string) string {
	name, err := layout.ParseName(pod)
	if err != nil {
		return ""
	}
	return name.Range.String()
}
