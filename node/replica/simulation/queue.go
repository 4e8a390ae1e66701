package simulation

import "time"

// event is something that happens at a time. One of a process waits while the process is
// paused, and never happens if it has died.
type event struct {
	at  time.Duration
	seq uint64 // those of one time happen in the order in which they were planned
	of  *process
	do  func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// queue is a heap of events.
type queue struct {
	events []event
	seq    uint64
}

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.events = append(q.events, e)
	for i := len(q.events) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.events[i].before(&q.events[up]) {
			break
		}
		q.events[i], q.events[up] = q.events[up], q.events[i]
		i = up
	}
}

func (q *queue) pop() (event, bool) {
	if len(q.events) == 0 {
		return event{}, false
	}
	first := q.events[0]
	last := len(q.events) - 1
	q.events[0] = q.events[last]
	q.events[last] = event{}
	q.events = q.events[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && q.events[down+1].before(&q.events[down]) {
			down++
		}
		if !q.events[down].before(&q.events[i]) {
			break
		}
		q.events[i], q.events[down] = q.events[down], q.events[i]
		i = down
	}
	return first, true
}
